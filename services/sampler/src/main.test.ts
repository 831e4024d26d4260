import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { SamplerProcess } from '../../../test/support/sampler-process.js'
import { environmentVariable, type Setting, settings } from './config/config.js'

/** A value that the setting must not take. A directory may have any name but none. */
const badValueOf = ({ name }: Setting) => (name === 'dataDir' ? '' : 'no such value')

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): SamplerProcess {
  const child = new SamplerProcess(args, env)
  onTestFinished(() => child.kill())
  return child
}

test('every flag with a bad value exits 2 and names each flag and its value', async () => {
  const { code, stdout, stderr } = await run([
    'serve',
    ...settings.flatMap((setting) => [`--${setting.flag}`, badValueOf(setting)]),
  ]).ended
  expect(code).toBe(2)
  expect(stdout).toBe('')
  for (const setting of settings) expect(stderr).toContain(`--${setting.flag} is "${badValueOf(setting)}"`)
  expect(stderr).not.toContain('    at ')
})

test('every environment variable with a bad value exits 2 and names each of them and its value', async () => {
  const env = Object.fromEntries(settings.map((setting) => [environmentVariable(setting), badValueOf(setting)]))
  const { code, stderr } = await run(['serve'], env).ended
  expect(code).toBe(2)
  for (const setting of settings) {
    const line = stderr.split('\n').find((text) => text.includes(`--${setting.flag} is "${badValueOf(setting)}"`))
    expect(line).toContain(environmentVariable(setting))
  }
})

test.each([
  ['an unknown flag', ['serve', '--nonsense', '1'], '--nonsense'],
  ['an unknown command', ['nonsense'], 'nonsense'],
])('%s exits 2', async (_, args, named) => {
  const { code, stdout, stderr } = await run(args).ended
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(named)
})

test('--help exits 0 and names the commands', async () => {
  const { code, stdout, stderr } = await run(['--help']).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^Usage: keepset/)
  for (const command of ['serve', 'train', 'runs']) expect(stdout).toContain(command)
})

test('--version exits 0 and tells that of the package', async () => {
  const { code, stdout } = await run(['--version']).ended
  expect({ code, stdout }).toEqual({ code: 0, stdout: '0.1.0\n' })
})

test('serve --help exits 0 and shows every flag, its variable and its default', async () => {
  const { code, stdout, stderr } = await run(['serve', '--help']).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const text = stdout.replaceAll(/\s+/g, ' ')
  for (const setting of settings) {
    expect(text).toContain(`--${setting.flag} <${setting.placeholder}>`)
    expect(text).toContain(`(default: "${setting.fallback}", env: ${environmentVariable(setting)})`)
  }
})

test('a port in use exits 1 and names it', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    other.close()
  })
  const { port } = other.address() as { port: number }
  const { code, stderr } = await run([
    'serve',
    '--store',
    'memory',
    '--listen',
    `127.0.0.1:${port}`,
    '--http',
    '127.0.0.1:0',
  ]).ended
  expect(code).toBe(1)
  expect(stderr).toContain(`keepset: cannot listen on 127.0.0.1:${port} (--listen)`)
  expect(stderr).toContain('EADDRINUSE')
  expect(stderr).not.toContain('    at ')
})

test('a flag goes before its environment variable', async () => {
  const child = run(['serve', '--store', 'memory', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'], {
    KEEPSET_LISTEN: '192.0.2.1:1',
    KEEPSET_HTTP: 'no such value',
    KEEPSET_DRAIN_SECONDS: '0.25',
  })
  await child.logged('listening')
  child.signal('SIGTERM')
  expect((await child.ended).code).toBe(0)
  expect(await child.logged('draining')).toMatchObject({ drainSeconds: 0.25 })
})

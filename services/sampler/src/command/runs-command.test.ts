import { afterEach, describe, expect, it, vi } from 'vitest'
import { runRunsCommand } from './runs-command.js'
import { fakeCommand } from './testing/fake-command.js'

const { streams, stdout, stderr } = fakeCommand()
afterEach(() => {
  vi.unstubAllEnvs()
  stdout()
  stderr()
})

const run = (...args: string[]) => runRunsCommand(args, streams)

describe('runRunsCommand', () => {
  it('names every command in its help', async () => {
    expect(await run('--help')).toBe(0)
    const text = stdout()
    expect(text).toMatch(/^Usage: keepset runs /)
    for (const name of ['list', 'show', 'selections', 'export', 'import', 'delete', 'rewind', 'statistics']) {
      expect(text).toMatch(new RegExp(`^  ${name} `, 'm'))
    }
  })

  it.each(['list', 'show', 'selections', 'export', 'import', 'delete', 'rewind', 'statistics'])(
    'shows the options of %s with their defaults and variables',
    async (name) => {
      expect(await run(name, '--help')).toBe(0)
      const text = stdout().replaceAll(/\s+/g, ' ')
      expect(text).toContain(`Usage: keepset runs ${name} [options]`)
      expect(text).toContain('--address <host:port> the sampler (default: "127.0.0.1:50051", env: KEEPSET_ADDRESS)')
      expect(text).toContain('(default: 10, env: KEEPSET_CONNECT_TIMEOUT)')
    },
  )

  it.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['list', '--nonsense'], "unknown option '--nonsense'"],
    [['list', 'stray'], 'too many arguments'],
    [['show'], "missing required argument 'run'"],
    [['show', 'a', 'b'], 'too many arguments'],
    [['selections'], "missing required argument 'run'"],
    [
      ['list', '--address', 'localhost'],
      "--address <host:port>' argument 'localhost' is invalid. It must be HOST:PORT",
    ],
    [['list', '--connect-timeout', '0'], "'0' is invalid. It must be a number of seconds from 0.1 to 86400."],
    [['list', '--connect-timeout', ''], "'' is invalid. It must be a number of seconds"],
    [['rewind', 'demo', '1.5'], "'1.5' is invalid for argument 'epoch'. It must be the number of an epoch, from 0."],
    [['rewind', 'demo', '4294967296'], "'4294967296' is invalid for argument 'epoch'"],
    [['statistics', 'demo', '--format', 'xlsx'], "'xlsx' is invalid. Allowed choices are csv, jsonl, parquet, npz."],
  ])('refuses %j with exit code 2', async (args, text) => {
    expect(await run(...args)).toBe(2)
    expect(stderr()).toContain(text)
    expect(stdout()).toBe('')
  })

  it.each([
    ['list', '--data-dir', 'keepset-data'],
    ['list', '--data-dir=keepset-data'],
    ['show', 'demo', '--data-dir'],
    ['--data-dir', 'keepset-data', 'list'],
  ])('says whose option --data-dir is: %s %s', async (...args) => {
    expect(await run(...args)).toBe(2)
    expect(stderr()).toBe(
      "error: --data-dir is an option of the Python package's keepset (in a clone clients/python/.venv/bin/keepset); this one reaches a sampler by --address\n",
    )
    expect(stdout()).toBe('')
    expect(await run('list', '--help')).toBe(0)
    expect(stdout()).not.toContain('--data-dir')
  })

  it('names a variable with a bad value', async () => {
    vi.stubEnv('KEEPSET_ADDRESS', 'nowhere')
    expect(await run('list')).toBe(2)
    expect(stderr()).toContain("value 'nowhere' from env 'KEEPSET_ADDRESS' is invalid. It must be HOST:PORT")
  })

  it('shows its help where no command is given, with exit code 2', async () => {
    expect(await run()).toBe(2)
    expect(stderr()).toMatch(/^Usage: keepset runs /)
  })

  it('says how to reach a sampler where none answers, with exit code 1', async () => {
    vi.stubEnv('KEEPSET_ADDRESS', '127.0.0.1:1')
    expect(await run('show', 'demo', '--connect-timeout', '0.1')).toBe(1)
    expect(stderr()).toMatch(
      /^error: no sampler answers at 127\.0\.0\.1:1: start one with "keepset serve", or correct --address \(.*\)\n$/,
    )
    expect(stdout()).toBe('')
  })

  it('leaves no listener of signals behind', async () => {
    const before = process.listenerCount('SIGINT') + process.listenerCount('SIGTERM')
    await run('show', 'demo', '--address', '127.0.0.1:1', '--connect-timeout', '0.1')
    expect(process.listenerCount('SIGINT') + process.listenerCount('SIGTERM')).toBe(before)
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ScratchRepository } from './scratch-repository.js'

const passing = "it('passes', () => {})"
const failing = "it('fails', () => { throw new Error('no') })"

/** Test files, each in a folder of its own: [folder, text, exit code, last line]. */
const files: [folder: string, text: string, code: number, last: string][] = [
  ['passing', `${passing}; ${passing}`, 0, '2 passed, 0 failed'],
  ['failing', `${passing}; ${failing}; ${failing}`, 1, '1 passed, 2 failed'],
  ['not-loading', `import '../nowhere.js'; ${passing}`, 1, '0 passed, 1 failed'],
  [
    'failing-hook',
    `${passing}; describe('b', () => { afterAll(() => { throw new Error() }); ${passing} })`,
    1,
    '2 passed, 1 failed',
  ],
  [
    'failing-set-up',
    `${passing}; describe('b', () => { beforeAll(() => { throw new Error() }); ${passing} })`,
    1,
    '1 passed, 1 failed',
  ],
  ['stray-error', `it('passes', () => { void Promise.reject(new Error('late')) })`, 1, '1 passed, 1 failed'],
  ['skipping', `${passing}; it.skip('later', () => {})`, 0, '1 passed, 0 failed'],
  ['only-skipped', "it.skip('later', () => {})", 1, '0 passed, 0 failed'],
]

describe('npm test', () => {
  let repository: ScratchRepository
  const run = (args: string[], env?: Record<string, string>) => repository.run('test.mjs', args, env)

  beforeAll(async () => {
    repository = await ScratchRepository.make()
    const imports = "import { afterAll, beforeAll, describe, it } from 'vitest'"
    for (const [name, text] of files) await repository.write(`${name}/a.test.mjs`, `${imports}\n${text}\n`)
  })
  afterAll(() => repository.remove())

  it.concurrent.each(files)('counts %s/a.test.mjs and ends with the sum', async (name, _, code, last) => {
    const { lines, ...end } = await run([`${name}/`])
    expect([lines.at(-1), end.code], end.stderr).toEqual([last, code])
  })

  it('sums over files', async () => {
    const { lines, code } = await run(['passing/', 'failing/', 'not-loading/'])
    expect([lines.at(-1), code]).toEqual(['3 passed, 3 failed', 1])
  })

  it('tells of skipped tests before its last line, which stays as it is', async () => {
    expect((await run(['skipping/'])).lines.slice(-2)).toEqual(['1 skipped', '1 passed, 0 failed'])
  })

  it('fails where there is no test', async () => {
    const { lines, code, stderr } = await run(['nothing-of-this-name/'])
    expect([lines.at(-1), code]).toEqual(['0 passed, 0 failed', 1])
    expect(stderr).toContain('No test ran.')
  })

  it('skips the native backend where its tools are missing, and says so', async () => {
    const { lines, stderr } = await run(['passing/'])
    expect(stderr).toMatch(/^setup:tensorflow: missing on this machine/m)
    expect(lines[0]).toMatch(/^Native TensorFlow is missing \(see above\), so its tests are skipped/)
  })

  it('fails where it is missing and CI=true, and closes with a line of its own', async () => {
    const { lines, code } = await run(['passing/'], { CI: 'true' })
    expect([lines, code]).toEqual([['0 passed, 1 failed'], 1])
  })

  it('closes with such a line where the set-up fails', async () => {
    await repository.write('node_modules/typescript/bin/tsc', 'process.exit(2)')
    const { lines, code } = await run(['passing/'])
    expect([lines, code]).toEqual([['0 passed, 1 failed'], 2])
  })
})

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ScratchRepository } from './scratch-repository.js'

/** On a system that has all tools and whose npm reaches no registry. */
describe('setup:tensorflow without a network', () => {
  let repository: ScratchRepository
  const set = (...args: string[]) => repository.run('setup-tensorflow.mjs', ['cpu', ...args])
  const attempts = async () => (await readFile(join(repository.folder, 'attempts'), 'utf8')).length

  beforeEach(async () => {
    repository = await ScratchRepository.make()
    for (const tool of ['python3', 'g++']) await repository.write(`bin/${tool}`, '#!/bin/sh\n', 0o755)
    await repository.write('bin/npm', `#!/bin/sh\nprintf x >> "${repository.folder}/attempts"\nexit 1\n`, 0o755)
  })
  afterEach(() => repository.remove())

  it('fails, and with --unless-failed is not tried again', async () => {
    expect(await set('--unless-failed')).toMatchObject({ code: 1 })
    const again = await set('--unless-failed')
    expect(again).toMatchObject({ code: 4, lines: [] })
    expect(again.stderr).toMatch(/^setup:tensorflow: .*not tried again; `npm run setup:tensorflow` tries\n$/)
    expect(await attempts()).toBe(1)
  })

  it('is tried again when it is asked for, and a day later', async () => {
    await set()
    expect(await set()).toMatchObject({ code: 1 })
    const cache = join(repository.folder, '.cache/tensorflow')
    const [note = ''] = await readdir(cache)
    await writeFile(join(cache, note), new Date(Date.now() - 25 * 3600 * 1000).toISOString())
    expect(await set('--unless-failed')).toMatchObject({ code: 1 })
    expect(await attempts()).toBe(3)
  })

  it('tells npm test to go on without the native backend, in one line', async () => {
    await set()
    await repository.write('a.test.mjs', "import { it } from 'vitest'\nit('passes', () => {})\n")
    const { code, lines, stderr } = await repository.run('test.mjs', ['a.test.mjs'])
    expect([lines.at(-1), code]).toEqual(['1 passed, 0 failed', 0])
    expect(`${stderr}${lines.join('\n')}`.match(/tensorflow/gi)).toHaveLength(2) // Both in the one line of set-up.
    expect(await attempts()).toBe(1)
  })

  it.each([['tpu'], ['cpu', 'now'], ['cpu', '--unless-failed', 'now']])('refuses %j %j', async (...args) => {
    expect(await repository.run('setup-tensorflow.mjs', args)).toMatchObject({ code: 2 })
  })
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from './image.js'
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
  ['only-skipped', "it.skip('later', () => {})", 1, '0 passed, 1 failed'],
]

/** Test files of Python: [name, text, exit code, last lines]. */
const pythonFiles: [name: string, text: string, code: number, last: string[]][] = [
  ['passing', 'def test_a(): pass\ndef test_b(): pass', 0, ['2 passed, 0 failed']],
  ['failing', 'def test_a(): pass\ndef test_b(): assert False', 1, ['1 passed, 1 failed']],
  ['not_loading', 'import nowhere_to_be_found\ndef test_a(): pass', 1, ['0 passed, 1 failed']],
  [
    'failing_hook',
    `import pytest
@pytest.fixture
def broken():
    yield
    raise ValueError
def test_a(broken): pass`,
    1,
    ['1 passed, 1 failed'],
  ],
  [
    'skipping',
    `import pytest
def test_a(): pass
@pytest.mark.skip(reason="later")
def test_b(): pass
@pytest.mark.xfail(reason="known")
def test_c(): assert False`,
    0,
    ['2 skipped', '1 passed, 0 failed'],
  ],
  ['mended', 'import pytest\n@pytest.mark.xfail\ndef test_a(): pass', 1, ['0 passed, 1 failed']],
  ['only_skipped', 'import pytest\n@pytest.mark.skip\ndef test_a(): pass', 1, ['1 skipped', '0 passed, 1 failed']],
  ['nothing', '', 1, ['0 passed, 1 failed']],
  [
    'failing_twice',
    `import pytest
@pytest.fixture
def broken():
    yield
    raise ValueError
def test_a(broken): assert False`,
    1,
    ['0 passed, 2 failed'],
  ],
  ['crashing', 'import os\ndef test_a(): os._exit(0)', 1, ['0 passed, 1 failed']],
]
/** The environment that the scratch repositories borrow: `npm test` makes it where there is a Python. */
const hasPython = existsSync(join(root, 'clients/python/.venv/keepset.sha256')) || process.env.KEEPSET_REQUIRE_PYTHON
const named = process.env.KEEPSET_PYTHON
const pythonEnv: Record<string, string> = named ? { KEEPSET_PYTHON: named } : {}

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
    expect([lines.at(-1), code]).toEqual(['0 passed, 1 failed', 1])
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

// The environment is missing where there is no Python, and where Vitest is run by itself.
describe.skipIf(!hasPython)('npm test with Python', () => {
  let repository: ScratchRepository
  const run = (...args: string[]) => repository.run('test.mjs', args, pythonEnv)
  const file = (name: string) => `clients/python/tests/test_${name}.py`

  beforeAll(async () => {
    repository = await ScratchRepository.make()
    await repository.linkPython()
    await repository.write('a.test.mjs', `import { it } from 'vitest'\n${passing}\n`)
    for (const [name, text] of pythonFiles) await repository.write(file(name), `${text}\n`)
  })
  afterAll(() => repository.remove())

  it.each(pythonFiles)('counts tests/test_%s.py and ends with the sum', async (name, _, code, last) => {
    const { lines, ...end } = await run(file(name))
    expect([lines.slice(-last.length), end.code], end.stderr).toEqual([last, code])
  })

  it('hands all arguments to pytest, Vitest not being asked', async () => {
    const { lines, code } = await run(`./${file('failing')}`, file('passing'), '-k', 'test_a')
    expect([lines.at(-1), code]).toEqual(['2 passed, 0 failed', 0])
    expect(lines.join('\n')).not.toMatch(/vitest|tensorflow/i)
  })

  it.each([[[]], [['--coverage.enabled=false']]])('runs both without a path: %j', async (args) => {
    for (const [name] of pythonFiles) await repository.write(file(name), '')
    await repository.write(file('failing'), 'def test_a(): pass\ndef test_b(): assert False\n')
    await repository.write(file('skipping'), 'import pytest\n@pytest.mark.skip\ndef test_a(): pass\n')
    await repository.write('experiments/tests/test_experiment.py', 'def test_a(): pass\n')
    const { lines, code } = await run(...args)
    expect([lines.slice(-2), code]).toEqual([['1 skipped', '3 passed, 1 failed'], 1])
  })

  it('fails where both are to run and there is no test of Python', async () => {
    for (const [name] of pythonFiles) await repository.write(file(name), '')
    await repository.write('experiments/tests/test_experiment.py', '')
    const { lines, code } = await run()
    expect([lines.at(-1), code]).toEqual(['1 passed, 1 failed', 1])
  })
})

describe('npm test without Python', () => {
  let repository: ScratchRepository

  beforeAll(async () => {
    repository = await ScratchRepository.make()
    await repository.write('a.test.mjs', `import { it } from 'vitest'\n${passing}\n`)
    await repository.write('scripts/setup-tensorflow.mjs', '') // So that nothing else is missing.
    for (const file of ['pyproject.toml', 'requirements/core.txt']) await repository.write(`clients/python/${file}`, '')
  })
  afterAll(() => repository.remove())

  it('skips its tests and says so', async () => {
    const { lines, stderr, code } = await repository.run('test.mjs')
    expect([lines.at(-1), code]).toEqual(['1 passed, 0 failed', 0])
    expect(stderr).toMatch(/^setup:python: Keepset's Python part needs Python 3\.10/m)
    expect(lines[0]).toBe('Python is missing (see above), so the tests in clients/python and experiments are skipped.')
  })

  it('fails where CI=true, and where they are asked for', async () => {
    for (const [args, env] of [
      [[], { CI: 'true' }],
      [['clients/python/tests'], {}],
    ] as const) {
      const { lines, code } = await repository.run('test.mjs', args, env)
      expect([lines, code !== 0]).toEqual([['0 passed, 1 failed'], true])
    }
  })
})

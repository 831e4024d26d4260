import { appendFile, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ScratchRepository } from './scratch-repository.js'

/** On a system with Pythons that make environments but install nothing: they note what they were asked to do. */
describe('setup:python', () => {
  let repository: ScratchRepository
  const set = (env?: Record<string, string>) => repository.run('setup-python.mjs', [], env)
  /** Puts a Python of this version into a folder of commands, `bin` being PATH. */
  const addPython = (command: string, version: string, options: { folder?: string; venv?: boolean } = {}) => {
    const { folder = 'bin', venv = true } = options
    const file = join(repository.folder, folder, command)
    const text = `#!/bin/sh
case "$1 $2" in
  "-c "*) echo "${version.replace('.', ' ')} ${file}"; exit ${venv ? 0 : 1};;
  "-m venv")
    for folder; do :; done
    /bin/mkdir -p "$folder/bin" && /bin/cp "$0" "$folder/bin/python" && echo "version = ${version}.1" > "$folder/pyvenv.cfg";;
esac
echo "$@" >> "${repository.folder}/calls"
[ "$2" != pip ] || [ ! -e "${repository.folder}/no-network" ]
`
    return repository.write(`${folder}/${command}`, text, 0o755)
  }
  /** What the Pythons were asked since the last time, in short. */
  const calls = async () => {
    const text = await readFile(join(repository.folder, 'calls'), 'utf8').catch(() => '')
    await repository.write('calls', '')
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => /venv --clear|venv|[a-z]+\.txt|--editable/.exec(line)?.[0])
  }

  beforeEach(async () => {
    repository = await ScratchRepository.make()
    await repository.write('scripts/bundle-service.mjs', '')
    for (const file of ['pyproject.toml', 'requirements/core.txt', 'requirements/test.txt']) {
      await repository.write(`clients/python/${file}`, '')
    }
  })
  afterEach(() => repository.remove())

  it('makes an environment once, and brings it up to date after a change of what is in it', async () => {
    await addPython('python3', '3.12')
    expect(await set()).toMatchObject({ code: 0, stderr: '' })
    expect(await calls()).toEqual(['venv --clear', 'test.txt', '--editable'])
    const ready = `setup:python: ready: clients/python/.venv/bin/python examples/pytorch/plain.py trains an example`
    expect(await set()).toMatchObject({ code: 0, lines: [ready] })
    expect(await calls()).toEqual([])
    for (const file of ['requirements/core.txt', 'requirements/test.txt', 'pyproject.toml']) {
      await appendFile(join(repository.folder, 'clients/python', file), '# changed\n')
      expect(await set()).toMatchObject({ code: 0 })
      expect(await calls(), file).toEqual(['venv', 'test.txt', '--editable'])
    }
  })

  it('makes it anew with the Python that is named', async () => {
    await addPython('python3', '3.12')
    await addPython('other', '3.13', { folder: 'elsewhere' })
    await set()
    await calls()
    expect(await set({ KEEPSET_PYTHON: join(repository.folder, 'elsewhere/other') })).toMatchObject({ code: 0 })
    expect(await calls()).toEqual(['venv --clear', 'test.txt', '--editable'])
  })

  it('prefers Python 3.11 and newer, and installs what the core needs where there is Python 3.10 alone', async () => {
    await addPython('python3', '3.10')
    const { code, lines } = await set()
    expect(code).toBe(0)
    expect(lines.at(-1)).toMatch(/ready: .+ has keepset\.client; PyTorch and the examples need Python 3\.11/)
    expect(await calls()).toEqual(['venv --clear', 'core.txt', '--editable'])
    await addPython('python3.12', '3.12')
    await repository.write('clients/python/pyproject.toml', '# changed')
    expect(await set()).toMatchObject({ code: 0 })
    expect(await calls()).toEqual(['venv --clear', 'test.txt', '--editable'])
  })

  it('tries again after a failure', async () => {
    await addPython('python3', '3.12')
    await repository.write('no-network', '')
    const { code, lines, stderr } = await set()
    expect(code).toBe(1)
    expect(stderr).toContain('setup:python: failed')
    expect(lines.join()).not.toContain('ready')
    await rm(join(repository.folder, 'no-network'))
    await calls()
    expect(await set()).toMatchObject({ code: 0 })
    expect(await calls()).toEqual(['venv', 'test.txt', '--editable'])
  })

  it.each<[text: string, python?: { version: string; venv?: boolean }]>([
    ['there is none on PATH'],
    ['python3 is Python 3.9.', { version: '3.9' }],
    ['python3 cannot make environments (Debian: apt-get install python3-venv).', { version: '3.12', venv: false }],
  ])('says what is missing: %s', async (text, python) => {
    if (python) await addPython('python3', python.version, python)
    const { code, stderr } = await set()
    expect(code).toBe(3)
    expect(stderr).toMatch(/^setup:python: Keepset's Python part needs Python 3\.10 or newer with venv: .+\n$/)
    expect(stderr).toContain(text)
    expect(await calls()).toEqual([])
  })

  it('says so of a Python that is named and is none', async () => {
    await addPython('python3', '3.12')
    const { code, stderr } = await set({ KEEPSET_PYTHON: '/nowhere/python' })
    expect(code).toBe(3)
    expect(stderr).toContain('KEEPSET_PYTHON=/nowhere/python is none')
  })
})

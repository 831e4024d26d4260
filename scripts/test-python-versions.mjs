/**
 * `npm run test:python-versions [-- PYTHON …]`: the tests of keepset.client and keepset.embedded on each Python that Keepset supports,
 * each in a throw-away environment with clients/python/requirements/core.txt. Without arguments on every one that is found, on PATH or
 * among pyenv's; those that are not found are named. Exit code 1 if anything failed or none was found.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { inspect, makeEnvironment, pythonOf } from './python.mjs'
import { CORE_TESTS, runPytest } from './run-pytest.mjs'
import { root, setup } from './setup.mjs'
import { bundleService } from './setup-python.mjs'

const MINORS = [10, 11, 12, 13]

/** The Pythons that pyenv keeps, on PATH or not. */
function pyenvPythons() {
  const folder = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions')
  return existsSync(folder) ? readdirSync(folder).map((version) => pythonOf(join(folder, version))) : []
}

/** One interpreter for each version: minor → path. */
function findVersions() {
  const commands = [...MINORS.map((minor) => `python3.${minor}`), ...pyenvPythons()]
  const found = commands.map(inspect).filter((python) => python?.executable)
  return new Map(found.map(({ minor, executable }) => [minor, executable]))
}

/** Runs the tests on one Python. Returns a line about it, and whether all passed. */
function testOn(executable) {
  const environment = mkdtempSync(join(tmpdir(), 'keepset-python-'))
  try {
    if (makeEnvironment(executable, environment, 'core.txt') !== 0) return { ok: false, text: 'could not be set up' }
    const end = runPytest(CORE_TESTS, { interpreter: pythonOf(environment), sources: join(root, 'clients/python/src') })
    const { passed = 0, failed = 1, skipped = 0 } = end.counts ?? {}
    return { ok: end.code === 0 && passed > 0, text: `${passed} passed, ${failed} failed, ${skipped} skipped` }
  } finally {
    rmSync(environment, { recursive: true, force: true })
  }
}

setup()
if (bundleService() !== 0) process.exit(1)
const named = process.argv.slice(2)
const versions = named.length > 0 ? new Map(named.map((path) => [path, path])) : findVersions()
const missing = named.length > 0 ? [] : MINORS.filter((minor) => !versions.has(minor))
const ends = [...versions.values()].map((executable) => {
  console.log(`\n▶ ${executable}`)
  return { executable, ...testOn(executable) }
})
console.log('')
for (const { ok, executable, text } of ends) console.log(`${ok ? '✔' : '✘'} ${executable}: ${text}`)
if (missing.length > 0) console.log(`Not found: ${missing.map((minor) => `Python 3.${minor}`).join(', ')}`)
process.exitCode = ends.length > 0 && ends.every(({ ok }) => ok) ? 0 : 1

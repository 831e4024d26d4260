/**
 * `npm run setup:python`: what the tests and checks of clients/python need: an environment in clients/python/.venv with what
 * clients/python/requirements pins and Keepset itself, editable, and the sampler's bundle inside of the package.
 *
 * Python 3.10 gets core.txt alone, since what Keepset works with has left it behind.
 *
 * Exit codes: 0 set up, 1 failed, 3 there is no Python that will do.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { environment, findPython, makeEnvironment, PIP_INSTALL, python } from './python.mjs'
import { root, run, runNode, setup } from './setup.mjs'

const folder = join(root, 'clients/python')
/** Says what the environment was made from; there once it is complete. */
const stamp = join(environment, 'keepset.sha256')

const log = (message) => console.log(`setup:python: ${message}`)

/** A hash of all that decides what is in the environment. */
function wanted() {
  const requirements = readdirSync(join(folder, 'requirements')).sort()
  const files = ['pyproject.toml', ...requirements.map((file) => `requirements/${file}`)]
  const hash = createHash('sha256').update(process.env.KEEPSET_PYTHON ?? '')
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(folder, file)))
  return hash.digest('hex')
}

/** The minor version of the environment's Python 3, or undefined where there is no environment. */
export function environmentMinor() {
  const config = join(environment, 'pyvenv.cfg')
  if (!existsSync(python) || !existsSync(config)) return undefined
  return Number(/^version\s*=\s*3\.(\d+)/m.exec(readFileSync(config, 'utf8'))?.[1])
}

/** Makes the environment where that has not been done or is out of date. Returns an exit code. */
export function setupPython() {
  const hash = wanted()
  if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return 0
  const { problem, executable, minor } = findPython()
  if (problem) {
    console.error(`setup:python: ${problem}`)
    return 3
  }
  const requirements = minor >= 11 ? 'test.txt' : 'core.txt'
  log(`installing what clients/python/requirements/${requirements} pins for ${executable}; this takes a minute or two`)
  rmSync(stamp, { force: true })
  const code =
    makeEnvironment(executable, environment, requirements, ...(environmentMinor() === minor ? [] : ['--clear'])) ||
    run(python, [...PIP_INSTALL, '--no-deps', '--no-build-isolation', '--editable', folder])
  if (code === 0) writeFileSync(stamp, hash)
  else console.error(`setup:python: failed (exit ${code})`)
  return code === 0 ? 0 : 1
}

/** Puts the sampler, as it was compiled, into the package. Returns an exit code. */
export const bundleService = () => runNode(['scripts/bundle-service.mjs', 'clients/python/src/keepset/_service'])

/** What to do with the environment. */
function nextStep() {
  const command = relative(root, python)
  if (environmentMinor() >= 11) return `${command} examples/pytorch/plain.py trains an example`
  return `${command} has keepset.client; PyTorch and the examples need Python 3.11 or newer here`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setup()
  const code = setupPython() || bundleService()
  if (code === 0) log(`ready: ${nextStep()}`)
  process.exitCode = code
}

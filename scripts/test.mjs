/**
 * `npm test`: all set-up, then every test: TypeScript's by Vitest, then Python's by pytest.
 *
 * Arguments choose the runner, and all go to the one: to pytest if one of them is a path in clients/python or experiments
 * (`npm test -- clients/python/tests/client -k resume`), to Vitest otherwise (`npm test -- services/sampler`).
 * `--coverage` alone chooses nothing: both run, and it is Vitest's.
 *
 * The last line is `N passed, N failed` over both, whatever happens. A set-up that fails is one failure, and so is a runner
 * that runs no test, or fails though no test did: it broke down, or coverage is too low. Exit code 1 if anything failed.
 *
 * Tests of the native TensorFlow backend need python3, pip and g++, tests of Python need Python 3.10. Where they are missing
 * those tests are skipped, but not where CI=true: there it is a failure.
 */
import { join, relative, resolve, sep } from 'node:path'
import process from 'node:process'
import { CORE_TESTS, IN_PARALLEL, runPytest } from './run-pytest.mjs'
import { runVitest } from './run-vitest.mjs'
import { checkNodeOfTools, root, runNode, setup } from './setup.mjs'
import { bundleService, environmentMinor, setupPython } from './setup-python.mjs'

const inCi = process.env.CI === 'true'
const args = process.argv.slice(2)

const isOfPython = (arg) =>
  ['clients/python', 'experiments'].some((folder) =>
    `${relative(root, resolve(root, arg))}${sep}`.startsWith(join(folder, sep)),
  )
const pytestAlone = args.some(isOfPython)
const both = args.every((arg) => arg.startsWith('--coverage'))

/** Ends the process, the set-up having failed. */
function fail(code, text) {
  console.error(text)
  process.exit(code)
}

/** Sets up the native backend. Returns whether its tests must run. */
function setupNativeBackend() {
  const code = runNode(['scripts/setup-tensorflow.mjs', 'cpu', ...(inCi ? [] : ['--unless-failed'])])
  if (code === 0) return true
  if (inCi) fail(1, `Native TensorFlow is missing (exit ${code}, see above); with CI=true that is a failure.`)
  // What keeps set-up from trying again has been said in one line.
  if (code !== 4) console.log('Native TensorFlow is missing (see above), so its tests are skipped; wasm is tested.')
  return false
}

/** Sets up the Python part. Returns whether its tests can run. */
function preparePython() {
  const code = setupPython()
  if (code === 0) {
    if (bundleService() !== 0) fail(1, 'The sampler could not be bundled for the Python package (see above).')
    return true
  }
  if (code !== 3) process.exit(code)
  if (pytestAlone) process.exit(code)
  if (inCi) fail(1, 'Python is missing (see above); with CI=true that is a failure.')
  console.log('Python is missing (see above), so the tests in clients/python and experiments are skipped.')
  return false
}

/** All tests that the environment's Python can run. */
function everyPythonTest() {
  if (environmentMinor() >= 11) return ['clients/python/tests', 'experiments/tests', ...IN_PARALLEL]
  console.log('This is Python 3.10, so that only the tests of the client and the embedded sampler run.')
  return [...CORE_TESTS, ...IN_PARALLEL]
}

let closing = { passed: 0, failed: 1 }
process.once('exit', () => console.log(`${closing.passed} passed, ${closing.failed} failed`))

checkNodeOfTools()
setup()
const env = {}
if (!pytestAlone && setupNativeBackend()) env.KEEPSET_REQUIRE_NATIVE = '1'
const withPython = (pytestAlone || both) && preparePython()
if (withPython) env.KEEPSET_REQUIRE_PYTHON = '1'

const runs = []
if (!pytestAlone) runs.push(runVitest(args, env))
// One thread for each of the processes, that they do not wait for each other's.
if (withPython) runs.push(runPytest(pytestAlone ? args : everyPythonTest(), { env: { ...env, OMP_NUM_THREADS: '1' } }))

const sum = { passed: 0, failed: 0, skipped: 0 }
for (const { code, counts = { passed: 0, failed: 0, skipped: 0 } } of runs) {
  const none = counts.passed + counts.failed === 0
  if (none) console.error('No test ran.')
  sum.passed += counts.passed
  sum.failed += counts.failed === 0 && (none || code !== 0) ? 1 : counts.failed
  sum.skipped += counts.skipped
}
closing = sum
if (sum.skipped > 0) console.log(`${sum.skipped} skipped`)
process.exitCode = sum.failed === 0 ? 0 : 1

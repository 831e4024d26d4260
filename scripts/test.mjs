/**
 * `npm test`: all set-up, then every test. Arguments go to Vitest: `npm test -- services/sampler`, `npm test -- --coverage`.
 * The last line is `N passed, N failed`, whatever happens: a set-up that fails is one failure. Exit code 1 if anything
 * failed or no test ran.
 *
 * Tests of the native TensorFlow backend need python3, pip and g++. Where they are missing those tests are skipped,
 * but not where CI=true: there a missing backend is a failure.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { checkNodeOfTools, runNode, setup } from './setup.mjs'

const inCi = process.env.CI === 'true'

/** Sets up the native backend. Returns whether its tests must run. */
function setupNativeBackend() {
  const code = runNode(['scripts/setup-tensorflow.mjs', 'cpu', ...(inCi ? [] : ['--unless-failed'])])
  if (code === 0) return true
  if (inCi) {
    console.error(`Native TensorFlow is missing (exit ${code}, see above); with CI=true that is a failure.`)
    process.exit(1)
  }
  // What keeps set-up from trying again has been said in one line.
  if (code !== 4) console.log('Native TensorFlow is missing (see above), so its tests are skipped; wasm is tested.')
  return false
}

/** Runs the tests. Returns Vitest's exit code and counts; no counts where it ended before it could count. */
function runVitest(args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'keepset-test-'))
  const file = join(folder, 'counts.json')
  const reporters = ['--reporter=default', '--reporter=./scripts/count-tests.mjs']
  try {
    const code = runNode(['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args], {
      ...env,
      KEEPSET_TEST_COUNTS: file,
    })
    return { code, counts: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

let closing = { passed: 0, failed: 1 }
process.once('exit', () => console.log(`${closing.passed} passed, ${closing.failed} failed`))

checkNodeOfTools()
setup()
const requireNative = setupNativeBackend()
const { code, counts } = runVitest(process.argv.slice(2), requireNative ? { KEEPSET_REQUIRE_NATIVE: '1' } : {})
if (counts) {
  closing = counts
  if (counts.passed + counts.failed === 0) console.error('No test ran.')
  if (counts.skipped > 0) console.log(`${counts.skipped} skipped`)
}
process.exitCode = code === 0 && closing.failed === 0 && closing.passed > 0 ? 0 : 1

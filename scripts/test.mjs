/**
 * `npm test`: all set-up, then every test. Arguments go to Vitest: `npm test -- services/sampler`, `npm test -- --coverage`.
 * The last line is `N passed, N failed`, summed over the runners. Exit code 1 if a test failed or none ran.
 *
 * Tests of the native TensorFlow backend need python3, pip and g++. Where they are missing those tests are skipped,
 * but not where CI=true: there a missing backend is a failure.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { runNode, setup } from './setup.mjs'

/** Sets up the native backend. Returns whether its tests must run. */
function setupNativeBackend() {
  const code = runNode(['scripts/setup-tensorflow.mjs', 'cpu'])
  if (code === 0) return true
  const reason = code === 3 ? 'this machine lacks a tool for it' : 'its set-up failed'
  if (process.env.CI === 'true') {
    console.error(`Native TensorFlow: ${reason} (exit ${code}, see above); with CI=true that is a failure.`)
    process.exit(1)
  }
  console.log(`Native TensorFlow: ${reason} (see above), so its tests are skipped; wasm is tested.`)
  return false
}

/** Runs the TypeScript tests. Returns Vitest's exit code and counts. */
function runVitest(args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'keepset-test-'))
  const file = join(folder, 'counts.json')
  try {
    const reporters = ['--reporter=default', '--reporter=./scripts/count-tests.mjs']
    const code = runNode(['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args], {
      ...env,
      KEEPSET_TEST_COUNTS: file,
    })
    return { code, ...JSON.parse(readFileSync(file, 'utf8')) }
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return { code: 1, passed: 0, failed: 0, skipped: 0 }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

setup()
const requireNative = setupNativeBackend()
const runners = [runVitest(process.argv.slice(2), requireNative ? { KEEPSET_REQUIRE_NATIVE: '1' } : {})]

const sum = (name) => runners.reduce((total, runner) => total + runner[name], 0)
const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
if (passed + failed === 0) console.error('No test ran.')
const failing = failed > 0 || passed === 0 || runners.some(({ code }) => code !== 0)
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failing ? 1 : 0

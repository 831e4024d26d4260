/**
 * Vitest reporter that writes { passed, failed, skipped } to the file named by KEEPSET_TEST_COUNTS.
 * Each test file that does not load, hook that fails and error outside of any test counts as one failure too.
 */
import { writeFileSync } from 'node:fs'
import process from 'node:process'

export default class CountTests {
  onTestRunEnd(modules, unhandledErrors) {
    const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state))
    const count = (state) => states.filter((other) => other === state).length
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()])
    const broken = suites.filter((suite) => suite.errors().length > 0)
    const counts = {
      passed: count('passed'),
      failed: count('failed') + count('pending') + broken.length + unhandledErrors.length,
      skipped: count('skipped'),
    }
    writeFileSync(process.env.KEEPSET_TEST_COUNTS, JSON.stringify(counts))
  }
}

import { runWithCounts } from './run-with-counts.mjs'
import { runNode } from './setup.mjs'

/** Runs the tests of TypeScript. Returns what `runWithCounts` does. */
export function runVitest(args, env) {
  const reporters = ['--reporter=default', '--reporter=./scripts/count-tests.mjs']
  const command = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args]
  return runWithCounts((counting) => runNode(command, { ...env, ...counting }))
}

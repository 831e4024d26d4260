import { delimiter, join } from 'node:path'
import { python } from './python.mjs'
import { runWithCounts } from './run-with-counts.mjs'
import { root, run } from './setup.mjs'

/** What runs on every Python that Keepset supports, with requirements/core.txt alone. */
export const CORE_TESTS = ['clients/python/tests/client', 'clients/python/tests/embedded']

/** Two processes at a time, the tests of a file in the same one, where they share what they set up. */
export const IN_PARALLEL = ['-n', '2', '--dist', 'loadfile']

/**
 * Runs the tests of Python, with the environment that `npm run setup:python` makes or another interpreter, which finds modules in the
 * folder `sources` too. Returns what `runWithCounts` does.
 */
export function runPytest(args, { env = {}, interpreter = python, sources = '' } = {}) {
  const plugin = ['-p', 'count_tests', '-c', 'clients/python/pyproject.toml', '--rootdir', 'clients/python']
  const path = [join(root, 'scripts'), sources].filter(Boolean).join(delimiter)
  return runWithCounts((counting) =>
    run(interpreter, ['-m', 'pytest', ...plugin, ...args], { ...env, ...counting, PYTHONPATH: path }),
  )
}

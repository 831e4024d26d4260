/**
 * `npm run verify`: every check, the tests with coverage last; the first failure ends it. `--no-tests` leaves the tests out.
 * Each check is a script of package.json and can be run alone. Those of Python need Python 3.10, and are left out where it is
 * missing, but not where CI=true.
 */
import process from 'node:process'
import { checkNodeOfTools, install, run } from './setup.mjs'
import { setupPython } from './setup-python.mjs'

checkNodeOfTools()
install()
const checks = ['lint', 'types', 'architecture', 'dead-code', 'protos', 'generated']
const pythonCode = setupPython()
if (pythonCode === 0) checks.push('lint:python', 'types:python')
else if (pythonCode !== 3 || process.env.CI === 'true') process.exit(1)
else console.log('Python is missing (see above), so lint:python and types:python are left out.')
for (const name of checks) {
  console.log(`\n▶ ${name}`)
  const start = performance.now()
  const code = run('npm', ['run', '--silent', name])
  console.log(`${code === 0 ? '✔' : '✘'} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
  if (code !== 0) process.exit(code)
}
if (!process.argv.includes('--no-tests')) {
  console.log('\n▶ tests')
  process.exitCode = run('npm', ['--silent', 'test', '--', '--coverage'])
}

/**
 * `npm run verify`: every check, the tests with coverage last; the first failure ends it. `--no-tests` leaves the tests out.
 * Each check is a script of package.json and can be run alone.
 */
import process from 'node:process'
import { checkNodeOfTools, install, run } from './setup.mjs'

checkNodeOfTools()
install()
for (const name of ['lint', 'types', 'architecture', 'dead-code', 'protos', 'generated']) {
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

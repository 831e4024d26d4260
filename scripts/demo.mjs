/** `npm run demo`: all set-up, then the demo. Arguments go to the demo: `npm run demo -- --help`. */
import process from 'node:process'
import { runNode, setup } from './setup.mjs'

setup()
process.exitCode = runNode(['examples/demo/dist/main.js', ...process.argv.slice(2)])

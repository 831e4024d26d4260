/** `npm run demo`: all set-up, then the demo. Arguments go to the demo: `npm run demo -- --help`. */
import { setup } from './setup.mjs'

setup()
// In this process, so that a signal reaches the demo itself.
await import('../examples/demo/dist/main.js')

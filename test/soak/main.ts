/**
 * Kills a sampler under load until it was killed as often as asked for, and proves after each round that nothing is lost, doubled or changed.
 * Exit code 0 where the proof holds, 1 where it does not, 2 for a bad setting.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { soak } from './soak.js'

const USAGE = `npm run soak -- [options]
  --kills N     kill the sampler at least this often (500)
  --seed N      seed of the runs and of the moments of the kills (1)
  --minutes N   give up after this time (60)
  --out FILE    write the result there, too, as JSON`

/** A whole number of at least 1; ends the process where it is something else. */
function count(name: string, value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1) return number
  console.error(`--${name} is "${value}"; it must be a whole number of at least 1\n\n${USAGE}`)
  process.exit(2)
}

function readSettings() {
  try {
    return parseArgs({
      options: {
        kills: { type: 'string', default: '500' },
        seed: { type: 'string', default: '1' },
        minutes: { type: 'string', default: '60' },
        out: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

const { help, out, ...given } = readSettings()
if (help) {
  console.log(USAGE)
  process.exit(0)
}
const kills = count('kills', given.kills)
const seed = count('seed', given.seed)
const signal = AbortSignal.timeout(count('minutes', given.minutes) * 60_000)
const dataDir = await mkdtemp(join(tmpdir(), 'keepset-soak-'))
try {
  const result = await soak({ kills, seed, dataDir, signal, progress: (line) => console.error(line) })
  const text = JSON.stringify(result, undefined, 2)
  console.log(text)
  if (out !== undefined) await writeFile(out, `${text}\n`)
  await rm(dataDir, { recursive: true })
} catch (error) {
  console.error(error)
  console.error(`The sampler's data is left in ${dataDir}.`)
  process.exitCode = 1
}

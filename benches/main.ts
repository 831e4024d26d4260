/** Runs benches: `npm run bench -- --help`. Exit code 1 where a bench failed, 2 for a bad setting. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { disk } from './disk/disk.js'
import { durableReports } from './durable-reports/durable-reports.js'
import { interference } from './interference/interference.js'
import { memory } from './memory/memory.js'
import { nodeReport } from './node-report/node-report.js'
import { writePage } from './page/page.js'
import { plans } from './plans/plans.js'
import { profile } from './profile/profile.js'
import { pytorch } from './pytorch/pytorch.js'
import { recovery } from './recovery/recovery.js'
import { reports } from './reports/reports.js'
import { selection } from './selection/selection.js'
import { startup } from './startup/startup.js'
import type { Bench } from './support/bench.js'
import { describeMachine } from './support/machine.js'
import { trainerOverhead } from './trainer-overhead/trainer-overhead.js'
import { update } from './update/update.js'

const benches: readonly Bench[] = [
  ...[selection, update, plans, reports, profile, durableReports, interference, nodeReport, trainerOverhead, pytorch],
  ...[memory, disk, recovery, startup],
]

const folder = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

const USAGE = `npm run bench -- NAME... [options]
${benches.map(({ name, description }) => `  ${name.padEnd(17)} ${description}`).join('\n')}
  all              all of them
  page             writes docs/benchmarks.md from the results in --out (--docs DIR: another folder)

  --rounds N       how often everything is measured, by turns (9)
  --seed N         seed of the run and its losses (1)
  --disk DIR       folder on the disk that is to be measured (.cache); a folder in memory says nothing
  --out DIR        folder for the results, NAME.json each (benches/results)
  --sync-ms N      durable-reports: let each sync take at least so long, as on a slower disk (0: as it is)
  --sizes N,N      selection, update, plans, interference, memory: numbers of samples, each in its turn
  --quick          small sizes, to see that the benches work`

function refuse(message: string): never {
  console.error(`${message}\n\n${USAGE}`)
  process.exit(2)
}

function whole(name: string, value: string, least: number): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= least) return number
  return refuse(`--${name} is "${value}"; it must be a whole number of at least ${least}`)
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '9' },
        seed: { type: 'string', default: '1' },
        disk: { type: 'string', default: folder('../.cache') },
        out: { type: 'string', default: folder('results') },
        'sync-ms': { type: 'string', default: '0' },
        sizes: { type: 'string' },
        docs: { type: 'string', default: folder('../docs') },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function chosen(names: readonly string[]): readonly Bench[] {
  if (names.includes('all')) return benches
  const unknown = names.find((name) => !benches.some((bench) => bench.name === name))
  if (unknown !== undefined) refuse(`there is no bench "${unknown}"`)
  if (names.length === 0) refuse('which bench?')
  return benches.filter(({ name }) => names.includes(name))
}

const { values, positionals } = readArguments()
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
if (positionals.length === 1 && positionals[0] === 'page') {
  const page = await writePage(benches, values.out, values.docs)
  if (page === undefined) refuse(`${values.out} has no results`)
  console.log(page)
  process.exit(0)
}
const settings = {
  rounds: whole('rounds', values.rounds, 1),
  seed: whole('seed', values.seed, 0),
  syncMs: whole('sync-ms', values['sync-ms'], 0),
  sizes: values.sizes?.split(',').map((size) => whole('sizes', size, 1)),
  quick: values.quick,
}
const selected = chosen(positionals)
await mkdir(values.disk, { recursive: true })
await mkdir(values.out, { recursive: true })
for (const bench of selected) {
  const dataDir = await mkdtemp(join(values.disk, `bench-${bench.name}-`))
  try {
    const { constants, measured, text } = await bench.run({ ...settings, dataDir })
    const time = new Date().toISOString()
    const result = { bench: bench.name, time, machine: describeMachine(), settings, constants, measured, text }
    const path = join(values.out, `${bench.name}.json`)
    await writeFile(path, `${JSON.stringify(result, undefined, 2)}\n`)
    console.log(`## ${bench.name}\n\n${text}\n\n${path}\n`)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, promisify } from 'node:util'
import type { Bench, BenchSettings } from '../support/bench.js'
import type { describeMachine } from '../support/machine.js'
import { python } from '../support/numpy.js'

type Machine = ReturnType<typeof describeMachine>

/** What a bench has written. */
interface Result {
  readonly time: string
  readonly machine: Machine
  readonly settings: Omit<BenchSettings, 'dataDir'>
  readonly text: string
}

const ABOUT = `# Benchmarks

What Keepset costs, next to the same work done by something well known. Written by \`npm run bench -- page\` from what the last runs of the benches
measured; [benches/README.md](../benches/README.md) tells what each of them does.

Figures are the median of the rounds, with the least and the most. Rounds take turns, so that a machine that is slower for a while is slower for all.
Look at the ratios first: each was taken within a round, and figures of different machines say little.`

/** Where a plot is drawn from a result, and what it says. */
const PLOTS: Readonly<Record<string, string>> = {
  selection: 'Time of a selection for each sample, over the number of samples',
  reports: 'Time of a report, over the number of ranks that report, 64 reports on their way',
}

function showMachine({ processor, cores, memoryGiB, system, architecture, node, v8 }: Machine): string {
  return `${processor}, ${cores} cores, ${memoryGiB} GiB, ${system} ${architecture}, Node ${node} (V8 ${v8})`
}

/** The command that measures it again. */
function commandOf(name: string, { rounds, seed, syncMs, sizes, quick }: Result['settings']): string {
  const flags = [
    ...(rounds === 9 ? [] : [`--rounds ${rounds}`]),
    ...(seed === 1 ? [] : [`--seed ${seed}`]),
    ...(syncMs === 0 ? [] : [`--sync-ms ${syncMs}`]),
    ...(sizes ? [`--sizes ${sizes.join(',')}`] : []),
    ...(quick ? ['--quick'] : []),
  ]
  return ['npm run bench --', name, ...flags].join(' ')
}

function sectionOf(
  { name, description, goal }: Bench,
  result: Result,
  plot: string | undefined,
  machine: Machine | undefined,
) {
  const { settings, time, text } = result
  const measured = `Measured on ${time.slice(0, 10)} with \`${commandOf(name, settings)}\`, ${settings.rounds} rounds.`
  const own = machine ? '' : ` On ${showMachine(result.machine)}.`
  const image = plot && `![${PLOTS[name]}](${plot})`
  const warning = settings.quick && 'With `--quick` the figures mean nothing.'
  const parts = [
    `## ${name}`,
    `${description[0]?.toUpperCase()}${description.slice(1)}.`,
    goal && `Goal: ${goal}.`,
    measured + own,
    warning,
    image,
    text,
  ]
  return parts.filter(Boolean).join('\n\n')
}

async function readResults(benches: readonly Bench[], results: string): Promise<Map<Bench, Result>> {
  const found = new Map<Bench, Result>()
  for (const bench of benches) {
    const path = join(results, `${bench.name}.json`)
    if (!existsSync(path)) continue
    const result = JSON.parse(await readFile(path, 'utf8')) as Result
    if (result.text) found.set(bench, result)
  }
  return found
}

/** Writes docs/benchmarks.md and its plots from the results. Returns what it wrote, undefined where there are no results. Needs the tests' Python where there is something to draw. */
export async function writePage(benches: readonly Bench[], results: string, docs: string): Promise<string | undefined> {
  const found = await readResults(benches, results)
  if (found.size === 0) return undefined
  const images = join(docs, 'images')
  await mkdir(images, { recursive: true })
  const [first] = found.values()
  const isOneMachine = [...found.values()].every(({ machine }) => isDeepStrictEqual(machine, first?.machine))
  const machine = isOneMachine ? first?.machine : undefined
  const parts = [ABOUT, ...(machine ? [`All on ${showMachine(machine)}.`] : [])]
  for (const [bench, result] of found) {
    const { name } = bench
    const plot = PLOTS[name] && `images/bench-${name}.svg`
    if (plot) {
      const draw = fileURLToPath(new URL('plots.py', import.meta.url))
      await promisify(execFile)(python, [draw, name, join(results, `${name}.json`), join(docs, plot)])
    }
    parts.push(sectionOf(bench, result, plot, machine))
  }
  const path = join(docs, 'benchmarks.md')
  const missing = benches.filter((bench) => !found.has(bench)).map(({ name }) => name)
  if (missing.length > 0) parts.push(`Not measured: ${missing.join(', ')}.`)
  await writeFile(path, `${parts.join('\n\n')}\n`)
  return missing.length > 0 ? `${path}, without ${missing.join(', ')}: not measured yet` : path
}

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setInterval as every } from 'node:timers/promises'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns, ratios } from '../support/by-turns.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { quantile, showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'
import { fillRun, makePlan } from '../support/wire.js'
import { SteadyReports } from './steady-reports.js'

/** A report of run A falls due so often, answered or not. */
const CADENCE_MS = 5
/** Epochs that run B plans in a round. */
const EPOCHS = 3
/** Reports of an idle round. */
const IDLE_REPORTS = 600
const SIZE = 14_000_000

/** Milliseconds from when a report was due to its acknowledgement. */
interface Latency {
  readonly reports: number
  readonly p50: number
  readonly p99: number
  readonly most: number
}

interface Row {
  readonly store: string
  readonly sampleCount: number
  readonly idle: readonly Latency[]
  readonly busy: readonly Latency[]
}

/** Lets a report fall due again and again until `isOver`. */
async function reportWhile(reports: SteadyReports, isOver: (count: number) => boolean): Promise<Latency> {
  const times: Promise<number>[] = []
  const start = performance.now()
  for await (const _ of every(1)) {
    // A timer that comes late makes up for it.
    for (let due = start + times.length * CADENCE_MS; due <= performance.now(); due += CADENCE_MS) {
      times.push(reports.send(due))
    }
    if (isOver(times.length)) break
  }
  const all = await Promise.all(times)
  return { reports: all.length, p50: quantile(all, 0.5), p99: quantile(all, 0.99), most: Math.max(...all) }
}

/** `dataDir`: of the file store, or undefined for the memory store. */
async function measure(
  program: string,
  dataDir: string | undefined,
  sampleCount: number,
  { rounds, seed, quick }: BenchSettings,
): Promise<Row> {
  const service = await ServiceProcess.start(program, dataDir)
  const stubs = new SamplerStubs(service.address)
  try {
    await fillRun(stubs, 'b', sampleCount, seed)
    const idleReports = quick ? 20 : IDLE_REPORTS
    const reports = await SteadyReports.open(stubs, 'a', seed)
    let epoch = 1
    const measured = await byTurns(rounds, {
      idle: async () => {
        await reports.beginRound()
        return reportWhile(reports, (count) => count >= idleReports)
      },
      busy: async () => {
        await reports.beginRound()
        let isPlanned = false
        const planning = (async () => {
          for (let i = 0; i < EPOCHS; i++) await makePlan(stubs, { runId: 'b', epoch: epoch++ })
        })().finally(() => {
          isPlanned = true
        })
        const latency = await reportWhile(reports, () => isPlanned)
        await planning
        return latency
      },
    })
    await reports.close()
    return { store: dataDir === undefined ? 'memory' : 'file', sampleCount, ...measured }
  } finally {
    stubs.close()
    await service.stop()
  }
}

function tableOf(rows: readonly Row[]): string {
  const head = [
    'samples of run B',
    'store',
    'run B',
    'ack p50, ms',
    'ack p99, ms',
    'slowest, ms',
    'p99 of idle',
    'reports',
  ]
  const body = rows.flatMap(({ store, sampleCount, idle, busy }) =>
    Object.entries({ 'is idle': idle, plans: busy }).map(([name, measured]) => {
      const of = (value: keyof Latency) => measured.map((latency) => latency[value])
      const ratio = ratios(
        of('p99'),
        idle.map(({ p99 }) => p99),
      )
      return [
        short(sampleCount),
        store,
        name,
        ...(['p50', 'p99', 'most'] as const).map((value) => showSpread(of(value))),
        showSpread(ratio),
        showSpread(of('reports')),
      ]
    }),
  )
  return table(head, body)
}

/** What the reports of one run feel of the plans of another. */
export const interference: Bench = {
  name: 'interference',
  description: 'time to the acknowledgement of a report, idle and while another run of 14 M samples plans epochs',
  goal: 'a p99 while the other run plans of at most 2 times that of idle',
  async run(settings: BenchSettings): Promise<BenchOutcome> {
    const sizes = settings.sizes ?? [settings.quick ? 40_000 : SIZE]
    const program = await bundleService(settings.dataDir)
    const rows: Row[] = []
    for (const sampleCount of sizes) {
      const dataDir = join(settings.dataDir, `runs-${sampleCount}`)
      for (const store of [undefined, dataDir]) rows.push(await measure(program, store, sampleCount, settings))
      await rm(dataDir, { recursive: true })
    }
    return { constants: { sizes, cadenceMs: CADENCE_MS, epochs: EPOCHS }, measured: rows, text: tableOf(rows) }
  },
}

import { BareProcess } from '../support/bare-process.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns, ratios } from '../support/by-turns.js'
import { bareChannel, echoChannel, samplerChannel, tcpChannel } from '../support/channel.js'
import type { Measurement } from '../support/measurement.js'
import { bundleService } from '../support/service-process.js'
import { showSpread } from '../support/summary.js'
import { table } from '../support/table.js'
import { type Load, measureLoad } from './load.js'
import { ReportedRun } from './reported-run.js'

const BATCH_SIZES = [128, 256, 1024, 4096]
/** One report at a time, and 64 of so many ranks. */
const SHAPES = [{ ranks: 1, inFlight: 1 }, ...[1, 8, 64].map((ranks) => ({ ranks, inFlight: 64 }))]

const NAMES = {
  memory: 'memory store',
  file: 'file store',
  bare: 'bare gRPC',
  echo: 'bare gRPC, echo',
  tcp: 'bare TCP',
}
type WayName = keyof typeof NAMES

interface Row extends Load {
  readonly ways: Readonly<Record<WayName, readonly Measurement[]>>
}

/** Reports of all ranks in a round: fewer where each takes longer. */
function reportsOf({ inFlight, batchSize }: Load, quick: boolean): number {
  if (quick) return 64
  return inFlight === 1 || batchSize >= 1024 ? 512 : 2048
}

async function measure(run: ReportedRun, bare: BareProcess, load: Load, settings: BenchSettings): Promise<Row> {
  const reports = reportsOf(load, settings.quick)
  await run.create(load, reports / load.ranks, settings.seed)
  let planned: { round: number; reports: Promise<Buffer[][]> } | undefined
  const reportsOfRound = (round: number) => {
    if (planned?.round !== round) planned = { round, reports: run.plan(round, load) }
    return planned.reports
  }
  const through = (open: Parameters<typeof measureLoad>[2]) => async (round: number) =>
    measureLoad(load, await reportsOfRound(round), open)
  const ways = await byTurns(settings.rounds, {
    memory: through(() => samplerChannel(run.memory.address)),
    file: through(() => samplerChannel(run.file.address)),
    bare: through(() => bareChannel(bare.address)),
    echo: through(() => echoChannel(bare.address)),
    tcp: through(() => tcpChannel(bare.tcpPort)),
  })
  await run.remove((settings.rounds + 1) * reports)
  return { ...load, ways }
}

function tableOf(rows: readonly Row[]): string {
  const head = ['', 'batch', 'ranks', 'in flight', 'reports/s', 'of bare gRPC', 'of the echo']
  const latency = ['ack p50, ms', 'ack p99, ms', 'p50 of bare gRPC', 'p50 of bare TCP']
  const body = rows.flatMap(({ batchSize, ranks, inFlight, ways }) =>
    Object.entries(NAMES).map(([way, name]) => {
      const of = (of: WayName, value: keyof Measurement) => ways[of].map((measured) => measured[value])
      const own = (value: keyof Measurement) => of(way as WayName, value)
      return [
        name,
        ...[batchSize, ranks, inFlight].map(String),
        showSpread(own('perSecond')),
        showSpread(ratios(own('perSecond'), of('bare', 'perSecond'))),
        showSpread(ratios(own('perSecond'), of('echo', 'perSecond'))),
        showSpread(own('p50')),
        showSpread(own('p99')),
        showSpread(ratios(own('p50'), of('bare', 'p50'))),
        showSpread(ratios(own('p50'), of('tcp', 'p50'))),
      ]
    }),
  )
  return table([...head, ...latency], body)
}

/** How many reports a sampler takes, and how soon it acknowledges them. */
export const reports: Bench = {
  name: 'reports',
  description: 'reports over gRPC by ranks and batch size, against bare gRPC and TCP with as many bytes',
  goal: 'with the file store, batch 256 and 64 in flight at least 0.8 of the reports of the echo',
  async run(settings: BenchSettings): Promise<BenchOutcome> {
    const batchSizes = settings.quick ? [256] : BATCH_SIZES
    const run = await ReportedRun.open(await bundleService(settings.dataDir), settings.dataDir)
    const bare = await BareProcess.start()
    const rows: Row[] = []
    try {
      for (const batchSize of batchSizes) {
        for (const shape of SHAPES) rows.push(await measure(run, bare, { ...shape, batchSize }, settings))
      }
    } finally {
      await bare.stop()
      await run.close()
    }
    return { constants: { batchSizes, shapes: SHAPES }, measured: rows, text: tableOf(rows) }
  },
}

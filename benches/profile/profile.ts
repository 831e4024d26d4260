import { join } from 'node:path'
import { type Load, measureLoad } from '../reports/load.js'
import { ReportedRun } from '../reports/reported-run.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns } from '../support/by-turns.js'
import { samplerChannel } from '../support/channel.js'
import { median } from '../support/summary.js'
import { short, table } from '../support/table.js'
import { ProfiledProcess } from './profiled-process.js'
import { type Shares, sharesOf } from './shares.js'

const BATCH_SIZES = [128, 256, 1024, 4096]
const RANKS = [1, 8, 64]

const REST = 'Node: sockets, files, promises'
const GARBAGE = 'garbage collection'
/** What a file of the sampler's sources does for a report. The first that fits counts. */
const PARTS: readonly (readonly [part: string, url: RegExp])[] = [
  ['gRPC', /node_modules\/@grpc|grpc\/report-stream/],
  ['protobuf', /proto\/gen|node_modules\/@bufbuild/],
  ['arrays out of the message', /grpc\/mapping|core\/slab/],
  ['checks', /runs\/(check-|plan\.ts)/],
  ['statistics', /core\/statistics|kernels\//],
  ['record: bytes, checksum, group', /store\//],
  ['run', /sampler\/src\//],
]
const COLUMNS = [...PARTS.map(([part]) => part), GARBAGE, REST]

function partOf(functionName: string, url: string): string | undefined {
  if (functionName === '(garbage collector)') return GARBAGE
  return PARTS.find(([, pattern]) => pattern.test(url))?.[0]
}

interface Row extends Load {
  readonly ways: Readonly<Record<'memory' | 'file', readonly Shares[]>>
}

function reportsOf({ batchSize }: Load, quick: boolean): number {
  if (quick) return 64
  return batchSize >= 1024 ? 1024 : 4096
}

async function measure(
  samplers: Readonly<Record<'memory' | 'file', ProfiledProcess>>,
  run: ReportedRun,
  load: Load,
  settings: BenchSettings,
): Promise<Row> {
  const reports = reportsOf(load, settings.quick)
  await run.create(load, reports / load.ranks, settings.seed)
  let planned: { round: number; reports: Promise<Buffer[][]> } | undefined
  const through = (store: 'memory' | 'file') => async (round: number) => {
    if (planned?.round !== round) planned = { round, reports: run.plan(round, load) }
    const messages = await planned.reports
    const sampler = samplers[store]
    const open = () => samplerChannel(sampler.service.address)
    const profile = await sampler.during(() => measureLoad(load, messages, open))
    const shares = sharesOf(profile, partOf, REST)
    return Object.fromEntries(Object.entries(shares).map(([part, ms]) => [part, (1000 * ms) / reports]))
  }
  const ways = await byTurns(settings.rounds, { memory: through('memory'), file: through('file') })
  await run.remove((settings.rounds + 1) * reports)
  return { ...load, ways }
}

function tableOf(rows: readonly Row[]): string {
  const body = rows.flatMap(({ batchSize, ranks, ways }) =>
    (['memory', 'file'] as const).map((store) => {
      const medians = COLUMNS.map((part) => median(ways[store].map((shares) => shares[part] ?? 0)))
      const all = ways[store].map((shares) => Object.values(shares).reduce((sum, value) => sum + value, 0))
      return [`${store} store`, String(batchSize), String(ranks), short(median(all)), ...medians.map(short)]
    }),
  )
  return table(['µs of the main thread a report', 'batch', 'ranks', 'all', ...COLUMNS], body)
}

/** Where the sampler's time for a report goes. */
export const profile: Bench = {
  name: 'profile',
  description: "where the sampler's main thread spends its time on a report, by ranks and batch size",
  async run(settings: BenchSettings): Promise<BenchOutcome> {
    const folder = (name: string) => join(settings.dataDir, name)
    const store = folder('runs')
    const samplers = {
      memory: await ProfiledProcess.start(folder('memory')),
      file: await ProfiledProcess.start(folder('file'), store),
    }
    const run = new ReportedRun(samplers.memory.service, samplers.file.service, store)
    const rows: Row[] = []
    try {
      for (const batchSize of settings.quick ? [256] : BATCH_SIZES) {
        for (const ranks of settings.quick ? [1] : RANKS) {
          rows.push(await measure(samplers, run, { ranks, batchSize, inFlight: 64 }, settings))
        }
      }
    } finally {
      await run.close()
    }
    return { constants: { batchSizes: BATCH_SIZES, ranks: RANKS }, measured: rows, text: tableOf(rows) }
  },
}

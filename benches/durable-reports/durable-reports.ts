import { join } from 'node:path'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { CountingDisk } from '../support/counting-disk.js'
import type { Measurement } from '../support/measurement.js'
import { showSpread } from '../support/summary.js'
import { table } from '../support/table.js'
import { GrpcReports } from './grpc-reports.js'
import type { Way } from './measurement.js'
import { OwnerReports } from './owner-reports.js'
import { blockingRawLoop, rawLoop } from './raw-loop.js'
import { REPORTERS, type Reporters } from './shape.js'
import { StoreAppends } from './store-appends.js'

const BATCH_SIZE = 256

/** What one round measured for one number of reporters, by the way that reports went. */
interface Row {
  readonly round: number
  readonly reporters: Reporters
  /** Reports for each sync, where the run has a file store. */
  readonly groupSize: number
  readonly ways: Readonly<Record<string, Measurement>>
}

/** All that is open while the bench runs. */
class DurableReports {
  readonly #dataDir: string
  readonly #disk: CountingDisk
  readonly #syncMs: number
  readonly #owner: OwnerReports
  readonly #others: ReadonlyMap<string, Way>

  private constructor(settings: BenchSettings, disk: CountingDisk, owner: OwnerReports, others: Map<string, Way>) {
    this.#dataDir = settings.dataDir
    this.#syncMs = settings.syncMs
    this.#disk = disk
    this.#owner = owner
    this.#others = others
  }

  static async open(settings: BenchSettings): Promise<DurableReports> {
    const { dataDir, seed, syncMs } = settings
    const shape = shapeOf(settings)
    const folder = (name: string) => join(dataDir, name)
    const disk = new CountingDisk(syncMs)
    const others = new Map<string, Way>([
      ['run, not recorded', OwnerReports.openUnrecorded(shape, seed)],
      ['file store alone', await StoreAppends.open(folder('store'), new CountingDisk(syncMs), shape, seed)],
    ])
    // The sampler process has the disk as it is.
    if (syncMs === 0) others.set('over gRPC', await GrpcReports.open(folder('grpc'), shape, seed))
    return new DurableReports(settings, disk, await OwnerReports.open(folder('owner'), disk, shape, seed), others)
  }

  async beginRound(): Promise<void> {
    for (const way of [this.#owner, ...this.#others.values()]) await way.beginRound()
  }

  async measure(round: number, reporters: Reporters): Promise<Row> {
    const { syncs, bytes } = this.#disk
    const own = await this.#owner.measure(reporters)
    const groupSize = own.reports / (this.#disk.syncs - syncs)
    const load = { reports: own.reports, recordBytes: (this.#disk.bytes - bytes) / own.reports, groupSize }
    const file = (name: string) => join(this.#dataDir, `${name}-${reporters}-${round}`)
    const ways: Record<string, Measurement> = { 'run in a file store': own }
    ways['raw loop'] = await rawLoop(file('raw'), load, this.#syncMs)
    if (this.#syncMs === 0) ways['raw loop, blocking'] = blockingRawLoop(file('blocking'), load)
    for (const [name, way] of this.#others) ways[name] = await way.measure(reporters)
    return { round, reporters, groupSize, ways }
  }

  async close(): Promise<void> {
    for (const way of [this.#owner, ...this.#others.values()]) await way.close()
  }
}

function shapeOf({ quick }: BenchSettings) {
  return { batchSize: BATCH_SIZE, reportsPerRank: quick ? 2 : 45 }
}

function tableOf(rows: readonly Row[]): string {
  const head = ['', 'reporters', 'reports/s', 'ack p50, ms', 'ack p99, ms', 'of the raw loop', 'reports a sync']
  const body = REPORTERS.flatMap((reporters) => {
    const own = rows.filter((row) => row.reporters === reporters)
    return Object.keys(own[0]?.ways ?? {}).map((name) => {
      const over = (of: (measured: Measurement, row: Row) => number) =>
        showSpread(own.map((row) => of(row.ways[name] as Measurement, row)))
      return [
        name,
        String(reporters),
        over(({ perSecond }) => perSecond),
        over(({ p50 }) => p50),
        over(({ p99 }) => p99),
        over(({ perSecond }, { ways }) => perSecond / (ways['raw loop'] as Measurement).perSecond),
        name === 'run in a file store' || name.startsWith('raw') ? over((_, { groupSize }) => groupSize) : '',
      ]
    })
  })
  return table(head, body)
}

/** How fast reports become durable, against the bare write and sync of the same bytes in groups of the same size. */
export const durableReports: Bench = {
  name: 'durable-reports',
  description: 'reports/s and time to the acknowledgement, against a raw loop of append and fdatasync',
  goal: 'a run in a file store reaches half of the raw loop, at 64 reporters',
  async run(settings: BenchSettings): Promise<BenchOutcome> {
    const rows: Row[] = []
    const open = await DurableReports.open(settings)
    try {
      // Round 0 warms up, and does not count.
      for (let round = 0; round <= settings.rounds; round++) {
        await open.beginRound()
        for (const reporters of round % 2 === 0 ? REPORTERS : REPORTERS.toReversed()) {
          const row = await open.measure(round, reporters)
          if (round > 0) rows.push(row)
        }
      }
    } finally {
      await open.close()
    }
    return { constants: shapeOf(settings), measured: rows, text: tableOf(rows) }
  },
}

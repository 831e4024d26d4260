import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defaultStatistics } from '../../services/sampler/src/core/statistics/sample-statistics.js'
import { seededRandom } from '../../test/support/random.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns, ratios } from '../support/by-turns.js'
import { gammaLosses } from '../support/gamma-losses.js'
import { startNumpy } from '../support/numpy.js'
import { showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'
import { BATCH_SIZE, KernelUpdate, type Losses, RunUpdate, StatisticsUpdate, type Update } from './updates.js'

type OrderName = 'sequential' | 'random'

interface Row {
  readonly sampleCount: number
  readonly order: OrderName
  /** Milliseconds of each round, by way: each sample once. */
  readonly ways: Readonly<Record<string, readonly number[]>>
}

const LISTS = `NumPy, batches of ${BATCH_SIZE}`
const AT_ONCE = 'NumPy, all at once'

function lossesOf(sampleCount: number, order: OrderName, seed: number): Losses {
  const indices = Uint32Array.from({ length: sampleCount }, (_, i) => i)
  const random = seededRandom(seed)
  for (let i = sampleCount - 1; order === 'random' && i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[indices[i], indices[j]] = [indices[j] as number, indices[i] as number]
  }
  const draw = gammaLosses(seed)
  return { indices, losses: Float32Array.from({ length: sampleCount }, draw) }
}

async function measureOrder(sampleCount: number, order: OrderName, settings: BenchSettings): Promise<Row> {
  const { rounds, seed, dataDir } = settings
  const given = lossesOf(sampleCount, order, seed)
  const files = { indices: join(dataDir, 'indices'), losses: join(dataDir, 'losses') }
  await writeFile(files.indices, given.indices)
  await writeFile(files.losses, given.losses)
  const numpy = startNumpy()
  try {
    const checks = new Map<string, number>()
    const ours: Record<string, Update> = {
      'Run.apply': new RunUpdate(given),
      'SampleStatistics.observe': new StatisticsUpdate(given),
      'observe kernel': new KernelUpdate(given),
    }
    const own = Object.entries(ours).map(([name, update]) => [name, () => update.run()] as const)
    const theirs = Object.entries({ [LISTS]: BATCH_SIZE, [AT_ONCE]: sampleCount }).map(([name, batch]) => {
      const update = async () => {
        const { ms, check } = await numpy.ask<{ ms: number; check: number }>({ task: 'update', of: name, batch })
        checks.set(name, check)
        return ms
      }
      return [name, update] as const
    })
    for (const [of] of theirs) {
      await numpy.ask({ task: 'load', of, kind: 'update', alpha: defaultStatistics.alpha, ...files })
    }
    const ways = await byTurns<number, string>(rounds, Object.fromEntries([...own, ...theirs]))
    for (const [name, update] of Object.entries(ours)) checks.set(name, update.check())
    if (new Set(checks.values()).size !== 1) throw new Error('two ways came to different statistics')
    return { sampleCount, order, ways }
  } finally {
    await numpy.close()
  }
}

function tableOf(rows: readonly Row[]): string {
  const head = ['', 'samples', 'order', 'ns/loss', `of ${LISTS}`, `of ${AT_ONCE}`]
  const body = rows.flatMap(({ sampleCount, order, ways }) =>
    Object.entries(ways).map(([name, ms]) => [
      name,
      short(sampleCount),
      order,
      showSpread(ms.map((value) => (value * 1e6) / sampleCount)),
      ...[LISTS, AT_ONCE].map((reference) => showSpread(ratios(ms, ways[reference] as number[]))),
    ]),
  )
  return table(head, body)
}

/** What counting a loss takes. */
export const update: Bench = {
  name: 'update',
  description: 'taking in the losses of an epoch, a sample after the other and at random, against NumPy (needs Python)',
  async run(settings: BenchSettings): Promise<BenchOutcome> {
    const sizes = settings.sizes ?? [settings.quick ? 10_000 : 1_280_000]
    const rows: Row[] = []
    for (const size of sizes) {
      for (const order of ['sequential', 'random'] as const) rows.push(await measureOrder(size, order, settings))
    }
    return { constants: { sizes, batchSize: BATCH_SIZE }, measured: rows, text: tableOf(rows) }
  },
}

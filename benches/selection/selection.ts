import { freemem } from 'node:os'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns, ratios } from '../support/by-turns.js'
import { startNumpy } from '../support/numpy.js'
import { quantile, showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'
import { checkTheSame, SelectionRun } from './selection-run.js'

const SIZES = [50_000, 1_280_000, 14_000_000, 100_000_000]
/** Bytes that must be free for each sample: the run, its plan, and NumPy's arrays. */
const FREE_BYTES = 100
/** Most samples of the ways that take long. */
const MOST = { twin: 14_000_000, infobatch: 1_280_000 }

/** Milliseconds of each round, by way. */
interface Row {
  readonly sampleCount: number
  readonly ways: Readonly<Record<string, readonly number[]>>
}

const NAMES: Readonly<Record<string, string>> = {
  planner: 'Planner.make: kept set, order, digest',
  kernels: 'kernels: kept set, order',
  twin: 'plain TypeScript: kept set, order',
  numpy: 'NumPy: argpartition, permutation',
  infobatch: 'InfoBatch in lists: prune, shuffle',
}

async function measureSize(sampleCount: number, { rounds, seed, dataDir }: BenchSettings): Promise<Row> {
  const numpy = startNumpy()
  const run = await SelectionRun.open(sampleCount, seed, dataDir, numpy)
  try {
    await checkTheSame(run, sampleCount <= MOST.twin)
    const ways = await byTurns<number, string>(rounds, {
      planner: (round) => run.planner(round),
      kernels: (round) => run.kernels(round),
      ...(sampleCount <= MOST.twin && { twin: (round: number) => run.twin(round) }),
      numpy: async (round) => (await run.numpy(round)).ms,
      ...(sampleCount <= MOST.infobatch && { infobatch: (round: number) => run.infobatch(round) }),
    })
    return { sampleCount, ways }
  } finally {
    await run.close()
    await numpy.close()
  }
}

function tableOf(rows: readonly Row[]): string {
  const head = ['', 'samples', 'ms', 'ns/sample', 'of NumPy', 'of InfoBatch']
  const body = rows.flatMap(({ sampleCount, ways }) =>
    Object.entries(ways).map(([way, ms]) => {
      const of = (reference: string) => (ways[reference] ? showSpread(ratios(ms, ways[reference])) : '')
      const perSample = showSpread(ms.map((value) => (value * 1e6) / sampleCount))
      return [NAMES[way] as string, short(sampleCount), showSpread(ms), perSample, of('numpy'), of('infobatch')]
    }),
  )
  return table(head, body)
}

/** Time per sample of the largest size as a multiple of that at 1.28 M. */
function growthOf(rows: readonly Row[]): string {
  const base = rows.find(({ sampleCount }) => sampleCount === 1_280_000)
  const last = rows.at(-1)
  if (!base || !last || base === last) return ''
  const perSample = ({ ways, sampleCount }: Row, way: string) => quantile(ways[way] ?? [0], 0.5) / sampleCount
  const growth = Object.keys(last.ways).map((way) => [
    NAMES[way] as string,
    short(perSample(last, way) / perSample(base, way)),
  ])
  return `\n\n${table(['time per sample', `${short(last.sampleCount)} samples, of that at ${short(base.sampleCount)}`], growth)}`
}

/** What choosing half of the samples by UCB, and bringing them into their order, takes. */
export const selection: Bench = {
  name: 'selection',
  description: 'UCB selection and order at prune rate 0.5, against NumPy and an InfoBatch in lists (needs Python)',
  goal: "at most 0.25 of NumPy's time and 0.02 of InfoBatch's at 1.28 M and 14 M samples; per sample at 100 M at most 1.5 times that at 1.28 M",
  async run(settings: BenchSettings): Promise<BenchOutcome> {
    const usual = SIZES.filter((size) => freemem() >= FREE_BYTES * size)
    const sizes = settings.sizes ?? (settings.quick ? [40_000] : usual)
    const rows: Row[] = []
    for (const sampleCount of sizes) rows.push(await measureSize(sampleCount, settings))
    return {
      constants: { sizes, pruneRate: 0.5, policy: 'ucb' },
      measured: rows,
      text: tableOf(rows) + growthOf(rows),
    }
  },
}

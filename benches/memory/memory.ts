import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { columnLayout } from '../../services/sampler/src/core/statistics/column-layout.js'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'
import { fillRun, makePlan } from '../support/wire.js'

const SIZE = 14_000_000
/** What a plan was made with is given back within five seconds. */
const REST_MS = 7000

/** Bytes resident. */
interface Resident {
  readonly empty: number
  /** The first epoch is planned, each sample has a loss. */
  readonly filled: number
  /** As soon as the second epoch is planned, which selects. */
  readonly planned: number
  readonly rested: number
  readonly most: number
}

const NAMES: Readonly<Record<Exclude<keyof Resident, 'empty'>, string>> = {
  filled: 'at rest, each sample reported once',
  planned: 'right after a selection',
  rested: 'at rest after it',
  most: 'most that ever were',
}

async function measure(
  [program, dataDir]: readonly [string, string],
  sampleCount: number,
  seed: number,
  restMs: number,
): Promise<Resident> {
  const service = await ServiceProcess.start(program, dataDir)
  const stubs = new SamplerStubs(service.address)
  try {
    await stubs.dump() // A first call, that all code is there.
    const { now: empty } = await service.memory()
    await fillRun(stubs, 'bench', sampleCount, seed)
    await wait(restMs)
    const { now: filled } = await service.memory()
    await makePlan(stubs, { runId: 'bench', epoch: 1 })
    const { now: planned } = await service.memory()
    await wait(restMs)
    const { now: rested, most } = await service.memory()
    return { empty, filled, planned, rested, most }
  } finally {
    stubs.close()
    await service.stop()
    await rm(dataDir, { recursive: true })
  }
}

/** What a run takes of the memory of a sampler. */
export const memory: Bench = {
  name: 'memory',
  description: 'resident bytes of a sampler process for each sample of a run, at rest and after a plan',
  async run({ rounds, seed, sizes: given, quick, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const sizes = given ?? [quick ? 40_000 : SIZE]
    const program = await bundleService(dataDir)
    const rows: { sampleCount: number; columns: number; measured: Resident[] }[] = []
    for (const sampleCount of sizes) {
      const measured: Resident[] = []
      for (let round = 0; round < rounds; round++) {
        measured.push(await measure([program, join(dataDir, 'runs')], sampleCount, seed, quick ? 100 : REST_MS))
      }
      rows.push({ sampleCount, columns: columnLayout(sampleCount, 0).bytes, measured })
    }
    const body = rows.flatMap(({ sampleCount, columns, measured }) =>
      Object.entries(NAMES).map(([when, name]) => {
        const bytes = measured.map((resident) => resident[when as keyof Resident] - resident.empty)
        return [
          name,
          short(sampleCount),
          showSpread(bytes.map((value) => value / sampleCount)),
          showSpread(bytes.map((value) => value / columns)),
        ]
      }),
    )
    const empty = showSpread(rows.flatMap(({ measured }) => measured.map((resident) => resident.empty / 2 ** 20)))
    const text = table(['', 'samples', 'bytes/sample', 'of the columns alone'], body)
    return {
      constants: { sizes, store: 'file' },
      measured: rows,
      text: `A process without runs: ${empty} MiB.\n\n${text}`,
    }
  },
}

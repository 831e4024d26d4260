import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { columnLayout } from '../../services/sampler/src/core/statistics/column-layout.js'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'
import { makePlan } from '../support/wire.js'
import { trainEpoch } from './train-epoch.js'

const SIZES = [14_000_000, 100_000_000]
/** What a plan was made with is given back within five seconds. */
const REST_MS = 7000

/** Bytes resident. */
interface Resident {
  readonly empty: number
  /** The first epoch is over: each sample has a loss, and the second epoch's plan is made ahead. */
  readonly filled: number
  /** As soon as the second epoch is planned, which selects. */
  readonly planned: number
  /** In the second epoch: its plan is read, and all but its last report have come, so that every page of every column is there. */
  readonly rested: number
  readonly most: number
}

const NAMES: Readonly<Record<Exclude<keyof Resident, 'empty'>, string>> = {
  filled: 'at rest after the first epoch, the next plan made ahead',
  planned: 'right after a selection',
  rested: 'at rest in that epoch',
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
    const policy = { $case: 'ucb' as const, value: {} }
    await stubs.createRun('bench', { sampleCount, seed: BigInt(seed), pruneRate: 0.5, selectionPeriod: 1, policy })
    await trainEpoch(stubs, { runId: 'bench', epoch: 0, isWhole: true })
    await wait(restMs)
    const { now: filled } = await service.memory()
    await makePlan(stubs, { runId: 'bench', epoch: 1 })
    const { now: planned } = await service.memory()
    await trainEpoch(stubs, { runId: 'bench', epoch: 1, isWhole: false })
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
  goal: 'at most 16 bytes a sample, and the process at most 1.1 times that at 100 M',
  async run({ rounds, seed, sizes: given, quick, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const sizes = given ?? (quick ? [40_000] : SIZES)
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
          showSpread(measured.map((resident) => resident[when as keyof Resident] / (16 * sampleCount))),
        ]
      }),
    )
    const empty = showSpread(rows.flatMap(({ measured }) => measured.map((resident) => resident.empty / 2 ** 20)))
    const text = table(['', 'samples', 'bytes/sample', 'of the columns alone', 'process: of 16 bytes/sample'], body)
    return {
      constants: { sizes, store: 'file' },
      measured: rows,
      text: `A process without runs: ${empty} MiB.\n\n${text}`,
    }
  },
}

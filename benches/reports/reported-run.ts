import { join } from 'node:path'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import { snapshotsWritten } from '../support/data-dir.js'
import { lossesOf } from '../support/losses.js'
import { ServiceProcess } from '../support/service-process.js'
import { encodeReport, planIndices } from '../support/wire.js'
import type { Load } from './load.js'

const RUN_ID = 'bench'

/** Two samplers with the same run: their plans are the same, and so are the reports to both. */
export class ReportedRun {
  readonly memory: SamplerStubs
  readonly file: SamplerStubs
  readonly #processes: readonly ServiceProcess[]
  readonly #dataDir: string

  /** `dataDir`: where the second one has its records. Both end with this. */
  constructor(memory: ServiceProcess, file: ServiceProcess, dataDir: string) {
    this.#processes = [memory, file]
    this.#dataDir = dataDir
    this.memory = new SamplerStubs(memory.address)
    this.file = new SamplerStubs(file.address)
  }

  static async open(program: string, folder: string): Promise<ReportedRun> {
    const dataDir = join(folder, 'runs')
    return new ReportedRun(await ServiceProcess.start(program), await ServiceProcess.start(program, dataDir), dataDir)
  }

  /** Starts with a new run, in whose epochs each rank has `reportsPerRank` reports. */
  async create({ ranks, batchSize }: Load, reportsPerRank: number, seed: number): Promise<void> {
    const sampleCount = ranks * reportsPerRank * batchSize
    const spec = { sampleCount, seed: BigInt(seed), policy: { $case: 'full' as const, value: {} } }
    await this.#both((stubs) => stubs.createRun(RUN_ID, spec))
  }

  /** Plans an epoch. Returns its reports, by rank. */
  async plan(epoch: number, { ranks, batchSize }: Load): Promise<Buffer[][]> {
    const plansOf = (stubs: SamplerStubs) =>
      Promise.all(
        Array.from({ length: ranks }, (_, rank) =>
          planIndices(stubs, { runId: RUN_ID, epoch, rank, worldSize: ranks }),
        ),
      )
    const [plans = []] = await this.#both(plansOf)
    await snapshotsWritten(this.#dataDir)
    const losses = lossesOf(batchSize, epoch)
    return plans.map((indices, rank) =>
      Array.from({ length: indices.length / batchSize }, (_, i) => {
        const batch = indices.subarray(i * batchSize, (i + 1) * batchSize)
        return encodeReport({ runId: RUN_ID, epoch, rank }, i + 1, batch, losses)
      }),
    )
  }

  /** Ends with the run, which must have counted so many reports, and no loss twice. */
  async remove(reports: number): Promise<void> {
    await this.#both(async (stubs) => {
      const { progress } = await stubs.getRun(RUN_ID)
      if (Number(progress?.reports) !== reports || Number(progress?.repeats) !== 0) {
        throw new Error(
          `a run counted ${progress?.reports} of ${reports} reports, and ${progress?.repeats} losses twice`,
        )
      }
      await stubs.deleteRun(RUN_ID)
    })
  }

  async close(): Promise<void> {
    for (const stubs of [this.memory, this.file]) stubs.close()
    for (const process of this.#processes) await process.stop()
  }

  #both<T>(work: (stubs: SamplerStubs) => Promise<T>): Promise<T[]> {
    return Promise.all([this.memory, this.file].map(work))
  }
}

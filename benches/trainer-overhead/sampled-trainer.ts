import { type Client, full, type Run } from '@keepset/client'
import { Stopwatch } from '../../clients/trainer/src/training/stopwatch.js'
import { trainEpoch } from '../../clients/trainer/src/training/train-epoch.js'
import type { Parts, TrainedEpoch } from './parts.js'

/** The trainer with a sampler that leaves nothing out. */
export class SampledTrainer {
  readonly #run: Run
  /** Of the same settings, and so with the same plans: tells the order of an epoch that is not begun yet. */
  readonly #twin: Run
  readonly #stopwatch = new Stopwatch()

  private constructor(run: Run, twin: Run) {
    this.#run = run
    this.#twin = twin
  }

  static async create(client: Client, { settings }: Parts, sampleCount: number): Promise<SampledTrainer> {
    const { epochs, seed } = settings
    const createRun = () => client.createRun({ sampleCount, policy: full(), epochs, seed })
    return new SampledTrainer(await createRun(), await createRun())
  }

  /** The order in which {@link train} will train on the samples. */
  async orderOf(epoch: number): Promise<Uint32Array> {
    const plan = await this.#twin.planEpoch(epoch)
    return plan.indices()
  }

  /** An epoch from asking for its plan to the acknowledgement of its last report. */
  async train(parts: Parts, epoch: number): Promise<TrainedEpoch & { readonly clientSeconds: number }> {
    const stopwatch = this.#stopwatch
    const before = stopwatch.read()
    const plan = await stopwatch.measure('sampler', () => this.#run.planEpoch(epoch))
    const context = { ...parts, columns: [], stopwatch, progress: {}, signal: undefined }
    const loss = await trainEpoch(context, epoch, plan)
    await stopwatch.measure('sampler', () => this.#run.flush())
    const after = stopwatch.read()
    return { seconds: after.total - before.total, clientSeconds: after.sampler - before.sampler, loss }
  }
}

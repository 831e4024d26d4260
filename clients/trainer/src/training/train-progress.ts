import type { Plan } from '@keepset/client'
import type { EpochRecord, ResumeRecord, StartRecord, SummaryRecord } from './metrics.js'

/** Is told how a training gets on. All calls are synchronous and must be quick: the training waits for them. */
export interface TrainProgress {
  /** The training begins, or goes on where a checkpoint ended. */
  started?(start: StartRecord, resume?: ResumeRecord): void
  /** An epoch of `epochs` begins. */
  epochPlanned?(epoch: number, epochs: number, plan: Plan): void
  /** A batch is done. `position` counts the images of the epoch so far; `loss` is their mean. */
  batchTrained?(position: number, loss: number): void
  /** A batch of left-out images is scored. `position` counts those of the epoch so far. */
  batchScored?(position: number): void
  epochFinished?(record: EpochRecord): void
  finished?(summary: SummaryRecord): void
  /** The sampler has not answered for `seconds`; the training goes on waiting. Once for each such wait. */
  samplerAwaited?(address: string, seconds: number): void
}

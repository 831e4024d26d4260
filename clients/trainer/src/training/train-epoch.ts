import type { Plan } from '@keepset/client'
import type { BatchMaker } from '../data/batch-maker.js'
import type { Classifier } from '../models/classifier.js'
import type { ColumnName } from '../models/columns.js'
import { learningRateAt } from './learning-rate.js'
import { reportScores } from './report-scores.js'
import type { TrainingSettings } from './settings.js'
import { throwIfStopped } from './stop.js'
import type { Stopwatch } from './stopwatch.js'
import type { TrainProgress } from './train-progress.js'

/** What an epoch is trained with. */
export interface EpochContext {
  readonly settings: TrainingSettings
  /** What is reported of each sample beside its loss. */
  readonly columns: readonly ColumnName[]
  readonly classifier: Classifier
  readonly maker: BatchMaker
  readonly stopwatch: Stopwatch
  readonly progress: TrainProgress
  readonly signal: AbortSignal | undefined
}

/**
 * Trains on a plan, batch after batch, and hands the losses and columns of each to the sampler. With weights in the plan a step minimises the
 * mean of weight x loss of its batch; what is reported and returned is without them.
 *
 * @returns mean training loss of the images, each before its own step
 * @throws {StoppedError} after the batch in which the signal asked to stop, unless it is the last one
 */
export async function trainEpoch(context: EpochContext, epoch: number, plan: Plan): Promise<number> {
  const { settings, columns, classifier, maker, stopwatch, progress, signal } = context
  let lossSum = 0
  let position = 0
  for await (const batch of stopwatch.measureEach('sampler', plan.batches(settings.batchSize), signal)) {
    const scores = await stopwatch.measure('train', () => {
      const done = (epoch + batch.startPosition / plan.positionCount) / settings.epochs
      const key = settings.augment ? { seed: settings.seed, epoch, startPosition: batch.startPosition } : undefined
      const { images, labels } = maker.trainBatch(batch.indices, key)
      const rate = learningRateAt(done, settings.learningRate) * plan.learningRateFactor
      return classifier.trainBatch(images, labels, rate, columns, batch.weights)
    })
    await stopwatch.measure('sampler', () => reportScores(plan, batch, scores, settings.scoreSource))
    for (const loss of scores.losses) lossSum += loss
    position += scores.losses.length
    progress.batchTrained?.(position, lossSum / position)
    // All are trained on: to wait for the plan's end would be to stop there, and to throw the epoch away.
    if (position === plan.positionCount) break
    throwIfStopped(signal)
  }
  return lossSum / position
}

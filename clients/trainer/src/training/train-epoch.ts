import type { Plan } from '@keepset/client'
import type { BatchMaker } from '../data/batch-maker.js'
import type { Classifier } from '../models/classifier.js'
import { learningRateAt } from './learning-rate.js'
import type { TrainingSettings } from './settings.js'
import { throwIfStopped } from './stop.js'
import type { Stopwatch } from './stopwatch.js'
import type { TrainProgress } from './train-progress.js'

/** What an epoch is trained with. */
export interface EpochContext {
  readonly settings: TrainingSettings
  readonly classifier: Classifier
  readonly maker: BatchMaker
  readonly stopwatch: Stopwatch
  readonly progress: TrainProgress
  readonly signal: AbortSignal | undefined
}

/**
 * Trains on a plan, batch after batch, and hands the losses of each to the sampler.
 *
 * @returns mean training loss of the images, each before its own step
 * @throws {StoppedError} after the batch in which the signal asked to stop, unless it is the last one
 */
export async function trainEpoch(context: EpochContext, epoch: number, plan: Plan): Promise<number> {
  const { settings, classifier, maker, stopwatch, progress, signal } = context
  let lossSum = 0
  let position = 0
  for await (const batch of stopwatch.measureEach('sampler', plan.batches(settings.batchSize), signal)) {
    const losses = await stopwatch.measure('train', () => {
      const done = (epoch + batch.startPosition / plan.positionCount) / settings.epochs
      const key = settings.augment ? { seed: settings.seed, epoch, startPosition: batch.startPosition } : undefined
      const { images, labels } = maker.trainBatch(batch.indices, key)
      return classifier.trainBatch(images, labels, learningRateAt(done, settings.learningRate))
    })
    await stopwatch.measure('sampler', () => plan.report(batch, losses))
    for (const loss of losses) lossSum += loss
    position += losses.length
    progress.batchTrained?.(position, lossSum / position)
    // All are trained on: to wait for the plan's end would be to stop there, and to throw the epoch away.
    if (position === plan.positionCount) break
    throwIfStopped(signal)
  }
  return lossSum / position
}

import type { Plan } from '@keepset/client'
import { reportScores } from './report-scores.js'
import { throwIfStopped } from './stop.js'
import type { EpochContext } from './train-epoch.js'

/**
 * Runs the images that an epoch left out through the model, where the run has them scored, and hands their losses and columns to the sampler: in
 * batches as those of the training, without augmentation, and nothing is learnt. To be called once the epoch's plan is trained on.
 *
 * @throws {StoppedError} before the first batch, or after the batch, in which the signal asked to stop, unless it is the last one
 */
export async function scoreLeftOut(context: EpochContext, plan: Plan): Promise<void> {
  const { settings, columns, classifier, maker, stopwatch, progress, signal } = context
  if (plan.scoreCount === 0) return
  throwIfStopped(signal)
  const scoring = plan.scoring()
  let position = 0
  for await (const batch of stopwatch.measureEach('sampler', scoring.batches(settings.batchSize), signal)) {
    const scores = await stopwatch.measure('score', () => {
      const { images, labels } = maker.trainBatch(batch.indices)
      return classifier.score(images, labels, columns)
    })
    await stopwatch.measure('sampler', () => reportScores(scoring, batch, scores, settings.scoreSource))
    position += batch.indices.length
    progress.batchScored?.(position)
    if (position === plan.scoreCount) break
    throwIfStopped(signal)
  }
}

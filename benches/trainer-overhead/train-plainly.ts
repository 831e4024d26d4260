import { setImmediate as turn } from 'node:timers/promises'
import { learningRateAt } from '../../clients/trainer/src/training/learning-rate.js'
import type { Parts, TrainedEpoch } from './parts.js'

/**
 * An epoch as the trainer trains it, of samples in a given order: no plan is asked for, and nothing is reported. `withTurns`: the event loop has a turn after
 * each step, as it must have for signals, timers and anything else that a program does beside its training.
 */
export async function trainPlainly(
  { settings, classifier, maker }: Parts,
  epoch: number,
  order: Uint32Array,
  withTurns: boolean,
): Promise<TrainedEpoch> {
  const { batchSize, epochs, learningRate } = settings
  const start = performance.now()
  let lossSum = 0
  for (let position = 0; position < order.length; position += batchSize) {
    const rate = learningRateAt((epoch + position / order.length) / epochs, learningRate)
    const { images, labels } = maker.trainBatch(order.subarray(position, position + batchSize))
    const { losses } = await classifier.trainBatch(images, labels, rate)
    for (const loss of losses) lossSum += loss
    if (withTurns) await turn()
  }
  return { seconds: (performance.now() - start) / 1000, loss: lossSum / order.length }
}

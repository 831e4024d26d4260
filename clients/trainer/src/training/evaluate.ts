import { setImmediate as turn } from 'node:timers/promises'
import type { BatchMaker } from '../data/batch-maker.js'
import type { Classifier } from '../models/classifier.js'

/** Images that go through the model at once. */
const batchSize = 500

/** How a model does on the test images. */
export interface Evaluation {
  /** Mean loss. */
  readonly loss: number
  /** Share classified rightly, 0 to 1. */
  readonly accuracy: number
}

/** Runs the first `count` test images, at most all of them, through the model. */
export async function evaluate(classifier: Classifier, maker: BatchMaker, count: number): Promise<Evaluation> {
  let lossSum = 0
  let correct = 0
  for (let start = 0; start < count; start += batchSize) {
    // A model that never waits for a timer or for I/O would keep signals and the connection waiting until the end.
    await turn()
    const { images, labels } = maker.testBatch(start, Math.min(batchSize, count - start))
    const { losses, columns } = await classifier.score(images, labels, ['correct'])
    for (const loss of losses) lossSum += loss
    for (const isCorrect of columns.correct ?? []) correct += isCorrect
  }
  return { loss: lossSum / count, accuracy: correct / count }
}

import type { Backend } from '../../clients/trainer/src/backends/backend.js'
import { BatchMaker } from '../../clients/trainer/src/data/batch-maker.js'
import type { DataSet } from '../../clients/trainer/src/data/data-set.js'
import { type Classifier, createClassifier } from '../../clients/trainer/src/models/classifier.js'
import { settingsOf, type TrainingSettings } from '../../clients/trainer/src/training/settings.js'
import { resolveTrainOptions } from '../../clients/trainer/src/training/train-options.js'

/** What a training is made of, but for its sampler. */
export interface Parts {
  readonly settings: TrainingSettings
  readonly classifier: Classifier
  readonly maker: BatchMaker
}

/** What an epoch came to. */
export interface TrainedEpoch {
  readonly seconds: number
  /** Mean of its losses. */
  readonly loss: number
}

/** The demo's training, from its start. */
export function createParts(backend: Backend, data: DataSet, epochs: number, seed: number): Parts {
  const options = resolveTrainOptions({ policy: 'full', epochs, seed })
  const { inputShape, classes } = data
  const { model, weightDecay } = options
  const classifier = createClassifier(backend, { model, inputShape, classes, seed, weightDecay })
  return { settings: settingsOf(options, data), classifier, maker: new BatchMaker(data) }
}

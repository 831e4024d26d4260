import type { Batch, Plan, Run } from '@keepset/client'
import { expect, it } from 'vitest'
import type { BatchMaker } from '../data/batch-maker.js'
import type { Classifier } from '../models/classifier.js'
import { MetricsLog } from './metrics.js'
import type { TrainingSettings } from './settings.js'
import { Stopwatch } from './stopwatch.js'
import { handClock } from './testing/hand-clock.js'
import { trainEpochs } from './train-epochs.js'

const pass = handClock()

async function* oneBatch(count: number, seconds: number): AsyncGenerator<Batch> {
  pass(seconds)
  yield { indices: new Uint32Array(count), weights: undefined, startPosition: 0 }
}

const plan = {
  positionCount: 30,
  scoreCount: 20,
  batches: () => oneBatch(30, 1),
  report: () => pass(2),
  scoring: () => ({ batches: () => oneBatch(20, 100), report: () => pass(200) }),
} as unknown as Plan

const run = {
  planEpoch: async () => {
    pass(4)
    return plan
  },
  flush: async () => pass(400),
  selections: async function* () {},
  finish: async () => ({ progress: { saving: 0 } }),
} as unknown as Run

const passOver = (seconds: number) => async (images: Float32Array) => {
  pass(seconds)
  return { losses: images, columns: {} }
}
const classifier = { trainBatch: passOver(8), score: passOver(800) } as unknown as Classifier
const maker = {
  trainBatch: ({ length }: Uint32Array) => ({ images: new Float32Array(length), labels: new Uint8Array(length) }),
} as unknown as BatchMaker

it('takes the images a second of an epoch from its training alone, not from what was scored after it', async () => {
  const log = new MetricsLog(undefined)
  await trainEpochs({
    ...{ run, classifier, maker, log, stopwatch: new Stopwatch(), progress: {}, signal: undefined },
    settings: { epochs: 1, batchSize: 32, learningRate: 0.1, scoreSource: 'loss' } as TrainingSettings,
    ...{ columns: [], connectTimeout: 1, testCount: 0, firstEpoch: 0, checkpointDirectory: undefined },
  })
  const [epoch] = log.epochs
  expect(epoch?.seconds).toMatchObject({ train: 8, sampler: 1 + 2 + 4 + 100 + 200 + 400, score: 800 })
  expect(epoch?.imagesPerSecond).toBe(30 / (8 + 1 + 2 + 4))
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { type Sampler, startSampler } from '@keepset/sampler'
import {
  createClassifier,
  loadBackend,
  loadCheckpoint,
  readDataSet,
  StoppedError,
  type TrainOptions,
  train,
} from '@keepset/trainer'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { BatchMaker } from '../../../clients/trainer/src/data/batch-maker.js'
import { learningRateAt } from '../../../clients/trainer/src/training/learning-rate.js'
import { writeTinyDataSet } from '../../support/tiny-data-set.js'
import { type RecordingSampler, startRecordingSampler } from './recording-sampler.js'

const trainCount = 501
const testCount = 700
const batchSize = 32
const batches = Math.ceil(trainCount / batchSize)

let sampler: Sampler
let folder: string
let data: string
let recording: RecordingSampler
beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  folder = mkdtempSync(join(tmpdir(), 'keepset-reports-'))
  data = join(folder, 'data')
  writeTinyDataSet(data, trainCount, testCount)
})
afterAll(async () => {
  await sampler.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  recording = await startRecordingSampler(sampler.addresses.grpc)
})
afterEach(() => {
  recording.stop()
  vi.restoreAllMocks()
})

/** Epochs of milliseconds and, on wasm, deterministic. */
const quick = (options: TrainOptions): TrainOptions => ({
  address: recording.address,
  backend: 'wasm',
  model: 'mlp',
  data,
  batchSize,
  seed: 3,
  ...options,
})

/** Long enough for all that a trainer on wasm does without waiting for the network. */
async function manyTurns(): Promise<void> {
  for (let count = 0; count < 300; count++) await turn()
}

describe('what a training reports', { timeout: 60_000 }, () => {
  it('is each batch of the plan in order, with the losses that the same model has on the same images, bit for bit', async () => {
    const epochs = 3
    const [learningRate, weightDecay, seed] = [0.2, 1e-3, 3]
    const result = await train(quick({ epochs, learningRate, weightDecay, seed, augment: true }))

    const images = readDataSet(data)
    const maker = new BatchMaker(images)
    const { inputShape, classes } = images
    const twin = createClassifier(await loadBackend('wasm'), { model: 'mlp', inputShape, classes, seed, weightDecay })
    const reports = [...recording.reports]
    for (let epoch = 0; epoch < epochs; epoch++) {
      const plan = recording.plans.get(epoch) ?? []
      expect(plan).toHaveLength(epoch === 0 ? trainCount : Math.floor(trainCount / 2))
      let lossSum = 0
      for (let start = 0, sequence = 1; start < plan.length; start += batchSize, sequence++) {
        const indices = plan.slice(start, start + batchSize)
        const key = { seed, epoch, startPosition: start }
        const batch = maker.trainBatch(Uint32Array.from(indices), key)
        const rate = learningRateAt((epoch + start / plan.length) / epochs, learningRate)
        const { losses } = await twin.trainBatch(batch.images, batch.labels, rate)
        expect(reports.shift()).toEqual({ epoch, sequence, indices, losses })
        for (const loss of losses) lossSum += loss
      }
      const tested = maker.testBatch(0, testCount)
      const { losses, columns } = await twin.score(tested.images, tested.labels, ['correct'])
      const correct = columns.correct?.reduce((sum, isCorrect) => sum + isCorrect, 0) ?? 0
      expect(result.epochs[epoch]?.loss).toBeCloseTo(lossSum / plan.length, 10)
      expect(result.epochs[epoch]?.testLoss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / testCount, 5)
      expect(result.epochs[epoch]?.testAccuracy).toBe(correct / testCount)
    }
    expect(reports).toEqual([])
    twin.dispose()
  })
})

describe('the end of an epoch', { timeout: 60_000 }, () => {
  it('waits for the acknowledgements before it evaluates and before it writes the checkpoint', async () => {
    const checkpoint = join(folder, 'held')
    const evaluating = vi.spyOn(BatchMaker.prototype, 'testBatch')
    recording.holdAcknowledgements()
    const training = train(quick({ epochs: 1, checkpoint }))
    await recording.received(batches)
    await manyTurns()
    expect(recording.acknowledgedCount).toBe(0)
    expect(evaluating).not.toHaveBeenCalled()
    expect(loadCheckpoint(checkpoint)?.nextEpoch).toBe(0)

    evaluating.mockImplementationOnce(function (this: BatchMaker, ...range) {
      expect(recording.acknowledgedCount).toBe(batches)
      evaluating.mockRestore()
      return this.testBatch(...range)
    })
    recording.releaseAcknowledgements()
    await training
    expect(loadCheckpoint(checkpoint)?.nextEpoch).toBe(1)
  })

  it.each(['after its last batch', 'while its reports are acknowledged', 'in its evaluation'])(
    'is kept where the training is stopped %s',
    async (when) => {
      const checkpoint = join(folder, when)
      const stop = new AbortController()
      const progress = {
        batchTrained: (position: number) => {
          if (when === 'after its last batch' && position === trainCount) stop.abort()
        },
      }
      const evaluating = vi.spyOn(BatchMaker.prototype, 'testBatch')
      if (when === 'in its evaluation') {
        evaluating.mockImplementationOnce(function (this: BatchMaker, ...range) {
          stop.abort()
          return this.testBatch(...range)
        })
      }
      if (when === 'while its reports are acknowledged') recording.holdAcknowledgements()
      const training = train(quick({ epochs: 2, checkpoint }), { progress, signal: stop.signal })
      const stopped = expect(training).rejects.toThrow(StoppedError)
      if (when === 'while its reports are acknowledged') {
        await recording.received(batches)
        await manyTurns()
        stop.abort()
        recording.releaseAcknowledgements()
      }
      await stopped
      expect(loadCheckpoint(checkpoint)).toMatchObject({ nextEpoch: 1, records: [{ type: 'start' }, { epoch: 0 }] })
    },
  )

  it('is given up where the training is stopped and the sampler does not acknowledge', async () => {
    const checkpoint = join(folder, 'given-up')
    const stop = new AbortController()
    recording.holdAcknowledgements()
    const training = train(quick({ epochs: 2, checkpoint, connectTimeout: 1 }), { signal: stop.signal })
    const stopped = expect(training).rejects.toThrow(StoppedError)
    await recording.received(batches)
    await manyTurns()
    stop.abort()
    await stopped
    expect(loadCheckpoint(checkpoint)?.nextEpoch).toBe(0)
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Plan } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import {
  createClassifier,
  loadBackend,
  loadCheckpoint,
  OptionError,
  readDataSet,
  StoppedError,
  type TrainOptions,
  type TrainResult,
  train,
} from '@keepset/trainer'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import { BatchMaker } from '../../../clients/trainer/src/data/batch-maker.js'
import { learningRateAt } from '../../../clients/trainer/src/training/learning-rate.js'
import { writeTinyDataSet } from '../../support/tiny-data-set.js'
import { outcomeOf } from './read-metrics.js'
import { type RecordedReport, type RecordingSampler, startRecordingSampler } from './recording-sampler.js'

const trainCount = 301
const [batchSize, seed, learningRate] = [32, 3, 0.0005]

let sampler: Sampler
let folder: string
let data: string
let recording: RecordingSampler
beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  folder = mkdtempSync(join(tmpdir(), 'keepset-policies-'))
  data = join(folder, 'data')
  writeTinyDataSet(data, trainCount, 50)
})
afterAll(async () => {
  await sampler.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  recording = await startRecordingSampler(sampler.addresses.grpc)
})
afterEach(() => recording.stop())

/** Epochs of milliseconds and, on wasm, deterministic. So slow a learner that losses differ until the end. */
const quick = (options: TrainOptions): TrainOptions => ({
  address: recording.address,
  backend: 'wasm',
  model: 'mlp',
  data,
  batchSize,
  learningRate,
  epochs: 8,
  seed,
  augment: true,
  ...options,
})

const slices = (indices: readonly number[]) =>
  Array.from({ length: Math.ceil(indices.length / batchSize) }, (_, batch) => batch * batchSize).map((start) => ({
    start,
    indices: indices.slice(start, start + batchSize),
  }))

/** What a model of the same seed reports that trains on the recorded plans, with their weights, and scores what was to be scored. */
async function replay({ start, epochs }: TrainResult): Promise<RecordedReport[]> {
  const images = readDataSet(data)
  const maker = new BatchMaker(images)
  const { inputShape, classes } = images
  const classifier = createClassifier(await loadBackend('wasm'), { model: 'mlp', inputShape, classes, seed })
  const reports: RecordedReport[] = []
  for (const { epoch, learningRateFactor } of epochs) {
    let sequence = 0
    const report = (indices: readonly number[], own: Float32Array) => {
      const mean = own.reduce((sum, loss) => sum + loss, 0) / own.length
      const losses = start.settings.scoreSource === 'batch_loss' ? Float32Array.of(mean) : own
      reports.push({ epoch, sequence: ++sequence, indices, losses })
    }
    const plan = recording.plans.get(epoch) ?? []
    const weights = recording.weights.get(epoch) ?? []
    for (const { start, indices } of slices(plan)) {
      const batch = maker.trainBatch(Uint32Array.from(indices), { seed, epoch, startPosition: start })
      const rate = learningRateFactor * learningRateAt((epoch + start / plan.length) / epochs.length, learningRate)
      const own = weights.length > 0 ? Float32Array.from(weights.slice(start, start + batchSize)) : undefined
      report(indices, (await classifier.trainBatch(batch.images, batch.labels, rate, [], own)).losses)
    }
    for (const { indices } of slices(recording.scorings.get(epoch) ?? [])) {
      const batch = maker.trainBatch(Uint32Array.from(indices))
      report(indices, (await classifier.score(batch.images, batch.labels)).losses)
    }
  }
  classifier.dispose()
  return reports
}

interface Case {
  readonly options: TrainOptions
  readonly weighted?: boolean
  readonly scored?: boolean
  readonly factor?: boolean
}

const cases: Case[] = [
  { options: { policy: 'rs2' } },
  { options: { policy: 'info_batch' }, weighted: true },
  { options: { policy: 'info_batch', pruneRate: 0.4 }, weighted: true },
  { options: { policy: 'importance' }, weighted: true },
  { options: { policy: 'importance', weightCap: 1.5 }, weighted: true },
  { options: { policy: 'selective_backprop' } },
  { options: { policy: 'seta', policySettings: { window: 0.4 } } },
  { options: { policy: 'repb' }, weighted: true },
  { options: { policy: 'backlog' } },
  { options: { policy: 'kakurenbo', policySettings: { confidence: 0.5 } }, scored: true, factor: true },
  { options: { policy: 'ies', policySettings: { tau: 0.1 } }, scored: true },
  { options: { policy: 'static_score', policySettings: { metric: 'el2n', observe_epochs: 2 } } },
  { options: { policy: 'static_score', policySettings: { metric: 'forgetting', observe_epochs: 2 } } },
  { options: { policy: 'static_score', policySettings: { metric: 'grand', observe_epochs: 2 } } },
  { options: { policy: 'ucb', scoreLeftOut: true }, scored: true },
  {
    options: { policy: 'random', weights: 'on', scoreSource: 'batch_loss', scoreLeftOut: true },
    weighted: true,
    scored: true,
  },
]

describe('a training', { timeout: 120_000 }, () => {
  it.each(cases)(
    'goes by the plans of $options, and reports what a model has that is trained like that, bit for bit',
    async ({ options, weighted = false, scored = false, factor = false }) => {
      const result = await train(quick(options))
      const { epochs, summary } = result
      const expected = await replay(result)
      expect(recording.reports).toEqual(expected)

      const weights = [...recording.weights.values()].flat()
      expect(weights.some((weight) => weight > 1)).toBe(weighted)
      expect(epochs.some(({ hasWeights }) => hasWeights)).toBe(weighted)
      const { weightCap = Number.POSITIVE_INFINITY } = options
      expect(weights.every((weight) => weight <= weightCap)).toBe(true)
      expect(epochs.some(({ learningRateFactor }) => learningRateFactor > 1)).toBe(factor)
      expect(epochs.some(({ keptCount }) => keptCount < trainCount)).toBe(true)
      for (const { epoch, scoreCount, keptCount } of epochs) {
        expect(scoreCount).toBe(recording.scorings.get(epoch)?.length ?? 0)
        if (scored && epoch < epochs.length - 1) expect(scoreCount).toBe(trainCount - keptCount)
      }
      expect(summary.samplesScored > 0).toBe(scored)
      expect(summary.samplesScored).toBe(epochs.reduce((sum, { scoreCount }) => sum + scoreCount, 0))
      expect(summary.seconds.score > 0).toBe(scored)
      const { always = 0, sometimes = 0, never = 0, overlap = 0 } = summary.selections ?? {}
      expect(always + sometimes + never).toBeCloseTo(1, 12)
      expect(overlap).toBeGreaterThan(0)

      const client = connect(sampler.addresses.grpc)
      const { progress } = await client.getRun(summary.runId)
      client.close()
      expect(progress).toMatchObject({ scored: summary.samplesScored, repeats: 0, nonFinite: 0 })
      expect(summary.samplesTrained).toBe(progress.samplesPlanned)
    },
  )

  it('keeps by the scores of other runs', async () => {
    const settings = { metric: 'el2n', observe_epochs: 2 }
    const names = ['first', 'second']
    for (const [index, runId] of names.entries()) {
      await train(quick({ runId, seed: index, epochs: 2, policy: 'static_score', policySettings: settings }))
    }
    const scores = { metric: 'el2n', scores_from: names }
    const { epochs } = await train(quick({ epochs: 2, policy: 'static_score', policySettings: scores }))
    expect(epochs.map(({ keptCount }) => keptCount)).toEqual([150, 150])
  })

  it('is refused where its model does not have the metric of the policy', async () => {
    const training = train(
      quick({ policy: 'static_score', policySettings: { metric: 'grand' }, epochs: 30, model: 'cnn' }),
    )
    await expect(training).rejects.toThrow(OptionError)
    await expect(training).rejects.toThrow(
      'policy: "static_score" needs a column that this training cannot report: grand',
    )
  })
})

describe('a stop while images are scored', { timeout: 120_000 }, () => {
  const options = { policy: 'ies', policySettings: { tau: 0.1 } } as const

  /** Stops once so many images of an epoch are scored. Returns the epoch. */
  async function stopScoring(
    runId: string,
    checkpoint: string,
    isEnough: (position: number, count: number) => boolean,
  ) {
    const stop = new AbortController()
    let current = { epoch: -1, scoreCount: 0 }
    const progress = {
      epochPlanned: (epoch: number, _: number, { scoreCount }: { scoreCount: number }) => {
        current = { epoch, scoreCount }
      },
      batchScored: (position: number) => {
        if (isEnough(position, current.scoreCount)) stop.abort()
      },
    }
    const training = train(quick({ ...options, runId, checkpoint, resume: true }), { progress, signal: stop.signal })
    await expect(training).rejects.toThrow(StoppedError)
    return current.epoch
  }

  it('has the epoch trained again, to what it comes to without the stop', async () => {
    const whole = await train(quick({ ...options, runId: 'whole', checkpoint: join(folder, 'whole') }))
    const checkpoint = join(folder, 'parts')
    const epoch = await stopScoring('parts', checkpoint, (position) => position > 0)
    expect(epoch).toBeGreaterThan(0)
    expect(loadCheckpoint(checkpoint)?.nextEpoch).toBe(epoch)
    const resumed = await train(quick({ ...options, runId: 'parts', checkpoint, resume: true }))
    expect(resumed.epochs.map(outcomeOf)).toEqual(whole.epochs.map(outcomeOf))
    expect(resumed.summary.selections).toEqual(whole.summary.selections)
    expect(loadCheckpoint(checkpoint)?.state).toEqual(loadCheckpoint(join(folder, 'whole'))?.state)
    const client = connect(sampler.addresses.grpc)
    expect((await client.getRun('parts')).progress).toEqual((await client.getRun('whole')).progress)
    client.close()
  })

  it('keeps the epoch where it comes after the last of them', async () => {
    const checkpoint = join(folder, 'last')
    const epoch = await stopScoring('last', checkpoint, (position, count) => position === count)
    expect(loadCheckpoint(checkpoint)?.nextEpoch).toBe(epoch + 1)
  })

  it('after the last step of the epoch does not begin to score', async () => {
    const stop = new AbortController()
    let last: { plan: Plan; scoring: MockInstance } | undefined
    const progress = {
      epochPlanned: (_epoch: number, _epochs: number, plan: Plan) => {
        last = { plan, scoring: vi.spyOn(plan, 'scoring') }
      },
      batchTrained: (position: number) => {
        if (last && last.plan.scoreCount > 0 && position === last.plan.positionCount) stop.abort()
      },
    }
    const training = train(quick(options), { progress, signal: stop.signal })
    await expect(training).rejects.toThrow(StoppedError)
    expect(last?.plan.scoreCount).toBeGreaterThan(0)
    expect(last?.scoring).not.toHaveBeenCalled()
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, PreconditionError, UnavailableError } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import { bundledDataDirectory, type StartRecord, StoppedError, type TrainOptions, train } from '@keepset/trainer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeTinyDataSet } from '../../support/tiny-data-set.js'
import { readMetrics } from './read-metrics.js'

let sampler: Sampler
let folder: string
let data: string
beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  folder = mkdtempSync(join(tmpdir(), 'keepset-train-'))
  data = join(folder, 'data')
  writeTinyDataSet(data, 501, 50)
})
afterAll(async () => {
  await sampler.stop()
  rmSync(folder, { recursive: true })
})

/** Epochs of milliseconds and, on wasm, deterministic. */
const quick = (options: TrainOptions): TrainOptions => ({
  address: sampler.addresses.grpc,
  backend: 'wasm',
  model: 'mlp',
  data,
  batchSize: 32,
  epochs: 4,
  seed: 3,
  ...options,
})

describe('train', { timeout: 120_000 }, () => {
  it('learns on half of the images, keeps exactly k of them, and accounts for images and time', async () => {
    const metrics = join(folder, 'deep', 'metrics.jsonl')
    const { start, epochs, summary } = await train(
      quick({ runId: 'learns', data: bundledDataDirectory, batchSize: 128, limit: 4_001, metrics }),
    )

    expect(summary.testAccuracy).toBeGreaterThan(0.6)
    const kept = Math.floor(0.5 * 4_001)
    expect(epochs.map(({ keptCount }) => keptCount)).toEqual([4_001, kept, kept, kept])
    expect(epochs.map(({ reason }) => reason)).toEqual(['warmup', 'selected', 'selected', 'selected'])
    expect(summary.samplesTrained).toBe(4_001 + 3 * kept)
    expect(summary.saving).toBeCloseTo(1 - summary.samplesTrained / (4 * 4_001), 12)
    expect(epochs.at(-1)?.saving).toBe(summary.saving)

    const before = { train: 0, sampler: 0, score: 0, evaluate: 0, total: 0 }
    for (const { seconds, secondsSoFar } of epochs) {
      expect(seconds.train + seconds.sampler + seconds.evaluate).toBeLessThanOrEqual(seconds.total)
      expect(seconds.score).toBe(0)
      for (const part of ['train', 'sampler', 'evaluate', 'total'] as const) {
        expect(seconds[part]).toBeGreaterThan(0)
        expect(secondsSoFar[part]).toBeGreaterThanOrEqual(before[part] + seconds[part] - 1e-9)
        before[part] = secondsSoFar[part]
      }
    }
    for (const part of ['train', 'sampler', 'evaluate', 'total'] as const) {
      expect(summary.seconds[part]).toBeGreaterThanOrEqual(before[part])
    }
    expect(readMetrics(metrics)).toEqual(
      [start, ...epochs, summary].map((record) => JSON.parse(JSON.stringify(record))),
    )

    const client = connect(sampler.addresses.grpc)
    const info = await client.getRun('learns')
    client.close()
    expect(info.state).toBe('finished')
    expect(info.progress).toMatchObject({
      observations: summary.samplesTrained,
      nonFinite: 0,
      repeats: 0,
      epochsPlanned: 4,
    })
  })

  it('gives records of a stable form', async () => {
    const { start, epochs, summary } = await train(quick({ runId: 'form', epochs: 1, limit: 500, policy: 'full' }))
    const number = expect.any(Number)
    const text = expect.any(String)
    const seconds = { train: number, sampler: number, score: 0, evaluate: number, total: number }
    expect(start).toEqual({
      type: 'start',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      runId: 'form',
      settings: expect.objectContaining({ model: 'mlp', policy: 'full', pruneRate: 0, limit: 500 }),
      parameterCount: number,
      trainCount: 500,
      testCount: 50,
      backend: 'wasm',
      backendReason: text,
      versions: { trainer: text, node: text, tensorflow: text },
    })
    expect(epochs).toEqual([
      {
        type: 'epoch',
        epoch: 0,
        loss: number,
        testLoss: number,
        testAccuracy: number,
        keptCount: 500,
        positionCount: 500,
        scoreCount: 0,
        keptShare: 1,
        saving: 0,
        selectionEpoch: 0,
        reason: 'warmup',
        hasWeights: false,
        learningRateFactor: 1,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        imagesPerSecond: number,
        samplesTrained: 500,
        samplesScored: 0,
        seconds,
        secondsSoFar: seconds,
      },
    ])
    expect(summary).toEqual({
      type: 'summary',
      runId: 'form',
      epochs: 1,
      testLoss: number,
      testAccuracy: number,
      samplesTrained: 500,
      samplesScored: 0,
      saving: 0,
      selections: null,
      seconds,
    })
  })

  it('brings the epochs to a multiple of what was asked', async () => {
    const { epochs } = await train(
      quick({ runId: 'multiple', epochs: 2, limit: 300, policy: 'random', positionMultiple: 128, shardMode: 'drop' }),
    )
    expect(epochs.map(({ keptCount, positionCount }) => [keptCount, positionCount])).toEqual([
      [300, 256],
      [150, 128],
    ])
  })

  it('refuses a run that is over, and leaves the metrics of that run as they are where no sampler answers', async () => {
    const metrics = join(folder, 'kept.jsonl')
    const options = quick({ runId: 'over', epochs: 1, metrics })
    await train(options)
    const lines = readMetrics(metrics)
    await expect(train({ ...options, address: '127.0.0.1:1', connectTimeout: 1 })).rejects.toThrow(UnavailableError)
    expect(readMetrics(metrics)).toEqual(lines)
    await expect(train({ ...options, metrics: join(folder, 'other.jsonl') })).rejects.toThrow(PreconditionError)
  })

  /** What a run has where no option says otherwise. */
  const defaults = {
    sampleCount: 501,
    pruneRate: 0.5,
    pruneRateSchedule: [],
    epochs: 4,
    seed: 0n,
    selectionPeriod: 1,
    warmupEpochs: 1,
    tailEpochs: 0,
    shardMode: 'pad',
    positionMultiple: 1,
    nonFinite: 'ignore',
    metrics: [],
    weights: 'off',
    weightCap: undefined,
    scoreSource: 'loss',
    batchLossMomentum: undefined,
    scoreLeftOut: false,
  }
  const moving = { alpha: 0.8, initial: 'first_loss' }
  const told: [options: TrainOptions, settings: object][] = [
    [{ policy: 'full' }, { policy: { kind: 'full' }, pruneRate: 0 }],
    [
      { policy: 'random', columns: ['grand', 'correct'] },
      { policy: { kind: 'random' }, metrics: ['correct', 'grand'] },
    ],
    [
      { policy: 'static_random', limit: 400 },
      { policy: { kind: 'static_random' }, sampleCount: 400 },
    ],
    [
      { policy: 'random', pruneRate: 0.25, seed: 4_294_967_295 },
      { policy: { kind: 'random' }, pruneRate: 0.25, seed: 4_294_967_295n },
    ],
    [{ policy: 'epsilon_greedy' }, { policy: { kind: 'epsilon_greedy', epsilon: 0.1, ...moving } }],
    [
      { policy: 'epsilon_greedy', policySettings: { epsilon: 0.25, alpha: 0.5, initial: 'zero' } },
      { policy: { kind: 'epsilon_greedy', epsilon: 0.25, alpha: 0.5, initial: 'zero' } },
    ],
    [{ policy: 'ucb' }, { policy: { kind: 'ucb', c: 1, ...moving } }],
    [
      { policy: 'ucb', policySettings: { c: 0.25, alpha: 0.5 } },
      { policy: { kind: 'ucb', c: 0.25, ...moving, alpha: 0.5 } },
    ],
    [{ policy: 'order_dp' }, { policy: { kind: 'order_dp' } }],
    [{ policy: 'order_dp', policySettings: { pool_rate: 0.75 } }, { policy: { kind: 'order_dp', poolRate: 0.75 } }],
    [
      { policy: 'info_batch', epochs: 16 },
      { policy: { kind: 'info_batch', r: 0.5 }, pruneRate: 0, epochs: 16, weights: 'on', tailEpochs: 2 },
    ],
    [
      { policy: 'info_batch', policySettings: { r: 0.6 }, pruneRate: 0.25, weights: 'off', tailEpochs: 0 },
      { policy: { kind: 'info_batch', r: 0.6 }, pruneRate: 0.25 },
    ],
    [
      { policy: 'rs2', epochs: 40 },
      { policy: { kind: 'rs2' }, epochs: 40 },
    ],
    [{ policy: 'importance' }, { policy: { kind: 'importance', exponent: 1, uniformShare: 0.1 }, weights: 'on' }],
    [
      { policy: 'importance', policySettings: { exponent: 2, uniform_share: 0.25 }, weightCap: 4 },
      { policy: { kind: 'importance', exponent: 2, uniformShare: 0.25 }, weights: 'on', weightCap: 4 },
    ],
    [
      { policy: 'selective_backprop', policySettings: { exponent: 3 }, weights: 'on' },
      { policy: { kind: 'selective_backprop', exponent: 3 }, weights: 'on' },
    ],
    [{ policy: 'seta' }, { policy: { kind: 'seta', dropRate: 0.1, groups: 5, window: 0.9 }, pruneRate: 0 }],
    [
      { policy: 'seta', policySettings: { drop_rate: 0.25, groups: 4, window: 0.5 } },
      { policy: { kind: 'seta', dropRate: 0.25, groups: 4, window: 0.5 }, pruneRate: 0 },
    ],
    [{ policy: 'repb' }, { policy: { kind: 'repb', rho: 0.5 }, pruneRate: 0, weights: 'on' }],
    [
      { policy: 'repb', policySettings: { rho: 0.25 } },
      { policy: { kind: 'repb', rho: 0.25 }, pruneRate: 0, weights: 'on' },
    ],
    [
      { policy: 'kakurenbo', policySettings: { confidence: 0.75 } },
      {
        policy: { kind: 'kakurenbo', confidence: 0.75 },
        pruneRate: 0.3,
        metrics: ['correct', 'confidence'],
        scoreLeftOut: true,
      },
    ],
    [
      { policy: 'ies', policySettings: { tau: 0.25 }, scoreLeftOut: false },
      { policy: { kind: 'ies', tau: 0.25 }, pruneRate: 0 },
    ],
    [{ policy: 'ies' }, { policy: { kind: 'ies', tau: 0.001 }, pruneRate: 0, scoreLeftOut: true }],
    [
      { policy: 'static_score', policySettings: { metric: 'grand', observe_epochs: 2 } },
      {
        policy: { kind: 'static_score', metric: 'grand', observeEpochs: 2, scoresFrom: [] },
        metrics: ['grand'],
        warmupEpochs: 2,
      },
    ],
    [
      { policy: 'random', scoreSource: 'batch_loss', scoreLeftOut: true },
      { policy: { kind: 'random' }, scoreSource: 'batch_loss', batchLossMomentum: 0.7, scoreLeftOut: true },
    ],
    [
      { policy: 'random', scoreSource: 'batch_loss', batchLossMomentum: 0.25 },
      { policy: { kind: 'random' }, scoreSource: 'batch_loss', batchLossMomentum: 0.25 },
    ],
    [
      {
        policy: 'random',
        epochs: 40,
        selectionPeriod: 3,
        warmupEpochs: 5,
        tailEpochs: 7,
        shardMode: 'drop',
        positionMultiple: 64,
        nonFinite: 'reject',
      },
      {
        policy: { kind: 'random' },
        epochs: 40,
        selectionPeriod: 3,
        warmupEpochs: 5,
        tailEpochs: 7,
        shardMode: 'drop',
        positionMultiple: 64,
        nonFinite: 'reject',
      },
    ],
  ]
  it.each(told)('tells the sampler of %j', async (options, settings) => {
    const stop = new AbortController()
    let runId = ''
    const progress = {
      started: (start: StartRecord) => {
        runId = start.runId
        stop.abort()
      },
    }
    const training = train(quick({ seed: 0, ...options }), { progress, signal: stop.signal })
    await expect(training).rejects.toThrow(StoppedError)
    const client = connect(sampler.addresses.grpc)
    expect((await client.getRun(runId)).settings).toEqual({ ...defaults, ...settings })
    client.close()
  })

  it('names a metrics file that cannot be written', async () => {
    await expect(train(quick({ metrics: join(data, 't10k-labels-idx1-ubyte', 'metrics') }))).rejects.toThrow(
      /^metrics: .* cannot be written \(E[A-Z]+\): give another file$/,
    )
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import {
  CheckpointError,
  COLUMN_NAMES,
  type Columns,
  createClassifier,
  loadBackend,
  OptionError,
  readDataSet,
  StoppedError,
  type TrainOptions,
  train,
} from '@keepset/trainer'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { BatchMaker } from '../../../clients/trainer/src/data/batch-maker.js'
import { learningRateAt } from '../../../clients/trainer/src/training/learning-rate.js'
import { writeTinyDataSet } from '../../support/tiny-data-set.js'
import { type RecordingSampler, startRecordingSampler } from './recording-sampler.js'

const trainCount = 101
const [epochs, batchSize, learningRate, seed] = [3, 32, 0.0002, 3]

let sampler: Sampler
let folder: string
let data: string
const recordings: RecordingSampler[] = []
beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  folder = mkdtempSync(join(tmpdir(), 'keepset-columns-'))
  data = join(folder, 'data')
  writeTinyDataSet(data, trainCount, 20)
})
afterAll(async () => {
  await sampler.stop()
  rmSync(folder, { recursive: true })
})
afterEach(() => {
  for (const recording of recordings.splice(0)) recording.stop()
})

/** Epochs of milliseconds and, on wasm, deterministic. */
const quick = (options: TrainOptions): TrainOptions => ({
  address: sampler.addresses.grpc,
  backend: 'wasm',
  model: 'mlp',
  data,
  epochs,
  batchSize,
  learningRate,
  seed,
  ...options,
})

async function startRecording(neededMetrics?: readonly string[]): Promise<RecordingSampler> {
  const recording = await startRecordingSampler(sampler.addresses.grpc, neededMetrics)
  recordings.push(recording)
  return recording
}

/** What the sampler has of each sample's metrics: of a data set that fits one chunk. */
async function metricsOf(runId: string): Promise<Readonly<Record<string, Float32Array>>> {
  const client = connect(sampler.addresses.grpc)
  try {
    const chunks = []
    for await (const part of client.streamStatistics(runId)) if (part.kind === 'chunk') chunks.push(part.metrics)
    expect(chunks).toHaveLength(1)
    return chunks[0] ?? {}
  } finally {
    client.close()
  }
}

describe('the columns of a training', { timeout: 60_000 }, () => {
  it('come to the sampler as the same model has them when it last trained on each sample or scored it, bit for bit', async () => {
    const recording = await startRecording()
    const columns = [...COLUMN_NAMES]
    await train(quick({ address: recording.address, runId: 'twin', columns, augment: true, scoreLeftOut: true }))

    const images = readDataSet(data)
    const maker = new BatchMaker(images)
    const { inputShape, classes } = images
    const twin = createClassifier(await loadBackend('wasm'), { model: 'mlp', inputShape, classes, seed })
    const expected = Object.fromEntries(COLUMN_NAMES.map((name) => [name, new Float32Array(trainCount)]))
    const take = (indices: readonly number[], columns: Columns) =>
      indices.forEach((index, i) => {
        for (const name of COLUMN_NAMES) (expected[name] as Float32Array)[index] = columns[name]?.[i] ?? Number.NaN
      })
    let scored = 0
    for (const [epoch, plan] of recording.plans) {
      for (let start = 0; start < plan.length; start += batchSize) {
        const indices = plan.slice(start, start + batchSize)
        const batch = maker.trainBatch(Uint32Array.from(indices), { seed, epoch, startPosition: start })
        const rate = learningRateAt((epoch + start / plan.length) / epochs, learningRate)
        const { columns } = await twin.trainBatch(batch.images, batch.labels, rate, COLUMN_NAMES)
        take(indices, columns)
      }
      const leftOut = recording.scorings.get(epoch) ?? []
      for (let start = 0; start < leftOut.length; start += batchSize) {
        const indices = leftOut.slice(start, start + batchSize)
        const batch = maker.trainBatch(Uint32Array.from(indices))
        take(indices, (await twin.score(batch.images, batch.labels, COLUMN_NAMES)).columns)
      }
      scored += leftOut.length
    }
    twin.dispose()
    expect(scored).toBeGreaterThan(0)
    expect(await metricsOf('twin')).toEqual(expected)
    expect(new Set(expected.correct)).toEqual(new Set([0, 1]))
  })

  it('go on after a stop, and come to what they are without it', async () => {
    const columns = ['el2n', 'correct'] as const
    await train(quick({ runId: 'undisturbed', columns: [...columns] }))
    const stop = new AbortController()
    const checkpoint = join(folder, 'stopped')
    const progress = { epochFinished: () => stop.abort() }
    const stopped = train(quick({ runId: 'stopped', checkpoint, columns: [...columns] }), {
      progress,
      signal: stop.signal,
    })
    await expect(stopped).rejects.toThrow(StoppedError)

    const resume = quick({ checkpoint, resume: true })
    await expect(train(resume)).rejects.toThrow(CheckpointError)
    await expect(train(resume)).rejects.toThrow('columns (correct,el2n in the checkpoint, unset now)')
    // In another order, which makes no difference.
    await train({ ...resume, columns: ['correct', 'el2n'] })
    const metrics = await metricsOf('stopped')
    expect(Object.keys(metrics)).toEqual(['correct', 'el2n'])
    expect(metrics).toEqual(await metricsOf('undisturbed'))
  })

  it('are none where none is asked for', async () => {
    await train(quick({ runId: 'none', epochs: 1 }))
    expect(await metricsOf('none')).toEqual({})
  })

  it('are also those that only the policy needs', async () => {
    const { address } = await startRecording(['correct', 'grand'])
    await train(quick({ address, runId: 'needed', columns: ['el2n'] }))
    await train(quick({ runId: 'asked', columns: ['correct', 'el2n', 'grand'] }))
    const metrics = await metricsOf('needed')
    expect(Object.keys(metrics)).toEqual(['el2n', 'correct', 'grand'])
    expect(metrics).toEqual(await metricsOf('asked'))
  })

  it.each([
    ['grand', 'cnn', 'grand is not there for the model cnn, whose batch norm mixes the samples'],
    ['margin', 'mlp', '"margin" is none of the columns correct, confidence, el2n, grand'],
  ] as const)('are refused where the policy needs %s of a %s, before any training', async (name, model, problem) => {
    const { address, plans } = await startRecording(['correct', name])
    const training = train(quick({ address, model, runId: name }))
    await expect(training).rejects.toThrow(OptionError)
    await expect(training).rejects.toThrow(`policy: "ucb" needs a column that this training cannot report: ${problem}`)
    expect(plans.size).toBe(0)
  })
})

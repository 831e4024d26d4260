import { PassThrough } from 'node:stream'
import type { Plan } from '@keepset/client'
import { beforeEach, describe, expect, it } from 'vitest'
import { readDataSet } from '../data/read-data-set.js'
import type { EpochRecord, StartRecord, SummaryRecord } from './metrics.js'
import { BarProgress, LineProgress } from './print-progress.js'
import { settingsOf } from './settings.js'
import { resolveTrainOptions } from './train-options.js'

const options = resolveTrainOptions({ epochs: 12 })
const environment = {
  backend: 'wasm',
  backendReason: 'asked for',
  versions: { trainer: '1', node: '20', tensorflow: '4' },
} as const
const start: StartRecord = {
  type: 'start',
  time: '2026-01-01T00:00:00.000Z',
  runId: 'some-run',
  settings: settingsOf(options, readDataSet(options.data)),
  parameterCount: 12_345,
  trainCount: 10_000,
  testCount: 2_000,
  ...environment,
}
const seconds = { train: 2, sampler: 0.5, score: 0, evaluate: 1, total: 3.75 }
const epoch: EpochRecord = {
  type: 'epoch',
  epoch: 3,
  loss: 0.123_44,
  testLoss: 0.2,
  testAccuracy: 0.8761,
  keptCount: 5_000,
  positionCount: 5_000,
  scoreCount: 0,
  keptShare: 0.5,
  saving: 0.375,
  selectionEpoch: 3,
  reason: 'selected',
  hasWeights: false,
  learningRateFactor: 1,
  digest: '00',
  imagesPerSecond: 2_000,
  samplesTrained: 25_000,
  samplesScored: 0,
  seconds,
  secondsSoFar: seconds,
}
const summary: SummaryRecord = {
  type: 'summary',
  runId: 'some-run',
  epochs: 12,
  testLoss: 0.2,
  testAccuracy: 0.9,
  samplesTrained: 65_000,
  samplesScored: 0,
  saving: 0.4583,
  selections: { always: 0.1234, sometimes: 0.6, never: 0.2766, overlap: 0.75 },
  seconds,
}
const plan = { positionCount: 5_000, scoreCount: 0, keptCount: 5_000, sampleCount: 10_000 } as Plan

let output: PassThrough
const printed = () => String(output.read() ?? '')
beforeEach(() => {
  output = new PassThrough()
})

describe('LineProgress', () => {
  it('prints what is trained, the backend and its reason, each epoch, and the end', () => {
    const progress = new LineProgress(output)
    progress.started(start)
    progress.epochFinished(epoch)
    progress.finished(summary)
    expect(printed()).toBe(
      'run some-run: mlp with 12,345 parameters, ucb, prune rate 0.5, 10,000 training and 2,000 test images\n' +
        'backend wasm: asked for\n' +
        'epoch  3 of 12  loss 0.1234  test accuracy 87.6 %  kept 50.0 % (selected)  saving 37.5 %  2,000 images/s  3.8 s\n' +
        'selections: kept always 12.3 %, sometimes 60.0 %, never 27.7 %; overlap of the last two 75.0 %\n' +
        'done: test accuracy 90.0 % after 12 epochs, 65,000 images trained, saving 45.8 %, ' +
        '3.8 s (training 2.0, sampler 0.5, evaluation 1.0)\n',
    )
  })

  it('says what was scored, where something was', () => {
    const progress = new LineProgress(output)
    progress.started(start)
    printed()
    progress.epochFinished({ ...epoch, scoreCount: 5_000 })
    progress.finished({ ...summary, samplesScored: 35_000, seconds: { ...seconds, score: 0.25 } })
    const text = printed()
    expect(text).toContain('kept 50.0 % (selected)  scored 5,000  saving 37.5 %')
    expect(text).toContain('65,000 images trained and 35,000 scored, saving 45.8 %, ')
    expect(text).toContain('(training 2.0, sampler 0.5, scoring 0.3, evaluation 1.0)')
  })

  it('says nothing of selections where none was held, and of an overlap where one was', () => {
    const progress = new LineProgress(output)
    progress.finished({ ...summary, selections: null })
    expect(printed()).toMatch(/^done/)
    progress.finished({ ...summary, selections: { always: 0.5, sometimes: 0, never: 0.5, overlap: null } })
    expect(printed()).toMatch(/^selections: kept always 50\.0 %, sometimes 0\.0 %, never 50\.0 %\ndone/)
  })

  it('says that the sampler does not answer', () => {
    new LineProgress(output).samplerAwaited('far:1', 5)
    expect(printed()).toBe('the sampler at far:1 has not answered for 5 seconds: waiting for it\n')
  })

  it('names a loss that is not finite', () => {
    new LineProgress(output).epochFinished({ ...epoch, loss: null })
    expect(printed()).toContain('loss not finite')
  })

  it('warns where a training goes on with another backend', () => {
    const resume = { type: 'resume', time: '2026-01-01T00:00:00.000Z', epoch: 4, ...environment } as const
    new LineProgress(output).started(start, resume)
    expect(printed()).toMatch(/\nresumed at epoch 4\n$/)
    new LineProgress(output).started(start, { ...resume, backend: 'tfjs-node' })
    expect(printed()).toMatch(
      /\nbackend tfjs-node: .*\nresumed at epoch 4 \(begun on backend wasm: results will differ in rounding/,
    )
  })
})

describe('BarProgress', () => {
  it('shows a bar with loss, images/s, kept share and time left, and replaces it by the line of the epoch', () => {
    const terminal = Object.assign(output, { isTTY: true, columns: 200, cursorTo: () => true })
    const progress = new BarProgress(terminal)
    progress.started(start)
    printed()
    progress.epochPlanned(3, 12, plan)
    progress.batchTrained(2_500, 0.5)
    progress.epochFinished(epoch)
    const text = printed()
    expect(text).toMatch(/epoch 3 of 12 ░+ 0 % {2}loss - {2}- images\/s {2}kept 50\.0 % {2}- left/)
    expect(text).toMatch(/epoch 3 of 12 █+░+ 50 % {2}loss 0\.5000 {2}[\d,]+ images\/s {2}kept 50\.0 % {2}\d+ s left/)
    expect(text).toMatch(/epoch {2}3 of 12 {2}loss 0\.1234[^\n]*\n$/)
  })

  it('goes on through what is scored, with the loss of the training', () => {
    const terminal = Object.assign(output, { isTTY: true, columns: 200, cursorTo: () => true })
    const progress = new BarProgress(terminal)
    progress.started(start)
    progress.epochPlanned(3, 12, { ...plan, scoreCount: 5_000 } as Plan)
    progress.batchTrained(5_000, 0.5)
    progress.batchScored(2_500)
    progress.stop()
    expect(printed()).toMatch(/ 75 % {2}loss 0\.5000 {2}[\d,]+ images\/s {2}kept 50\.0 % {2}\d+ s left/)
  })

  it('gives way to the line that says that the sampler does not answer, and comes back with the next batch', () => {
    const terminal = Object.assign(output, { isTTY: true, columns: 200, cursorTo: () => true })
    const progress = new BarProgress(terminal)
    progress.started(start)
    progress.samplerAwaited('far:1', 5)
    progress.epochPlanned(3, 12, plan)
    progress.batchTrained(1_250, 0.75)
    progress.samplerAwaited('far:1', 5)
    const waiting = printed()
    expect(waiting.match(/the sampler at far:1 has not answered for 5 seconds: waiting for it\n/g)).toHaveLength(2)
    expect(waiting).toMatch(/waiting for it\n$/)
    progress.batchTrained(2_500, 0.5)
    expect(printed()).toMatch(
      /epoch 3 of 12 █+░+ 50 % {2}loss 0\.5000 {2}[\d,]+ images\/s {2}kept 50\.0 % {2}\d+ s left/,
    )
    progress.stop()
  })
})

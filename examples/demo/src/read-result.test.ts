import { expect, it } from 'vitest'
import { readResult } from './read-result.js'

const settings = { policy: 'ucb', pruneRate: 0.5, learningRate: 0.1 }
const start = { type: 'start', runId: 'a', backend: 'wasm', backendReason: 'asked for', settings, parameterCount: 3 }
const epoch = (samplesTrained: number, testAccuracy: number, total: number, evaluate: number) => ({
  type: 'epoch',
  samplesTrained,
  testAccuracy,
  seconds: { train: 90, sampler: 90, evaluate: 90, total: 900 },
  secondsSoFar: { train: 1, sampler: 0.5, evaluate, total },
})
const summary = {
  type: 'summary',
  testAccuracy: 0.75,
  samplesTrained: 150,
  saving: 0.25,
  seconds: { train: 6, sampler: 2, evaluate: 4, total: 12.5 },
}
const toLines = (...records: object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('')
const records = [{ ...start, trainCount: 100, testCount: 20 }, epoch(100, 0.5, 7, 2), epoch(150, 0.75, 12, 4), summary]

it('counts all of the time but the evaluation, the sampler in full', () => {
  expect(readResult('ucb', toLines(...records))).toEqual({
    policy: 'ucb',
    backend: 'wasm',
    backendReason: 'asked for',
    settings,
    parameterCount: 3,
    trainCount: 100,
    testCount: 20,
    testAccuracy: 0.75,
    samplesTrained: 150,
    seconds: 8.5,
    samplerSeconds: 2,
    imagesPerSecond: 150 / 8.5,
    saving: 0.25,
    curve: [
      { seconds: 5, samplesTrained: 100, testAccuracy: 0.5 },
      { seconds: 8, samplesTrained: 150, testAccuracy: 0.75 },
    ],
  })
})

it.each([
  ['start', records.slice(1)],
  ['end', records.slice(0, -1)],
])('refuses metrics without their %s', (_, incomplete) => {
  expect(() => readResult('ucb', toLines(...incomplete))).toThrow('the metrics of ucb are not complete')
})

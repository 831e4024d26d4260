import { describe, expect, it } from 'vitest'
import { createRandom, losses, metricKinds } from './losses.mjs'
import { OracleRun, type SpecJson } from './oracle.mjs'
import { SamplerRun } from './sampler-run.js'

const range = (length: number) => Array.from({ length }, (_, index) => index)
const sumOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0)
const ROUNDING = 1e-9

/**
 * Whether a set can be that of a systematic draw in index order: with a start t in [0, 1), the samples on whose part of the line of probabilities t, t + 1, t + 2, ... lie.
 */
function isSystematic(kept: readonly number[], probabilities: readonly number[]): boolean {
  let [low, high] = [0, 1]
  let before = 0
  let count = 0
  probabilities.forEach((probability, index) => {
    if (probability === 1) return
    if (kept.includes(index)) {
      low = Math.max(low, before - count)
      high = Math.min(high, before + probability - count)
      count += 1
    }
    before += probability
  })
  return Math.abs(before - count) < ROUNDING && low < high
}

interface Kinds {
  losses?: 'plain' | 'fine' | 'few' | 'zeros' | 'wide'
  metrics?: Record<string, 'score' | 'scoreWithGaps'>
  /** Every third sample is never reported. */
  thirds?: boolean
}

/** Plays epochs through the sampler and the oracle, which is told what was drawn. `check` sees each selection. */
async function play(
  spec: SpecJson,
  epochs: number,
  { losses: kind = 'fine', metrics = {}, thirds = false }: Kinds,
  check: (kept: number[], plan: ReturnType<OracleRun['planEpoch']>) => void = () => {},
): Promise<void> {
  const random = createRandom(Number(spec.seed))
  const oracle = new OracleRun(spec)
  const sampler = await SamplerRun.create(spec)
  for (const epoch of range(epochs)) {
    const made = await sampler.planEpoch(epoch)
    const plan = oracle.planEpoch(1, made.keptSet)
    expect({ ...made, weights: [] }).toEqual({ ...made, keptSet: plan.keptSet, order: plan.order, weights: [] })
    const weights = plan.weights ?? plan.keptSet.map(() => 1)
    made.weights.forEach((weight, at) => {
      expect(weight / (weights[at] as number)).toBeCloseTo(1, 6)
    })
    if (plan.reason === 'SELECTED') check(made.keptSet, plan)
    const reported = made.order.filter((index) => !thirds || index % 3 !== 0)
    const values = reported.map((index) => losses[kind](random, index, epoch))
    const columns = Object.entries(metrics).map(([name, metric]) => [
      name,
      reported.map((index) => metricKinds[metric](random, index, epoch)),
    ])
    oracle.report(reported, values, Object.fromEntries(columns))
    if (reported.length > 0) await sampler.report(epoch, reported, values, Object.fromEntries(columns))
  }
}

const ON = 'WEIGHTS_MODE_ON'
const half = { sampleCount: 40, pruneRate: 0.5, selectionPeriod: 1 } as const

const draws: [string, SpecJson, Kinds][] = [
  ['importance', { ...half, importance: {} }, {}],
  ['importance, squared, few kept', { ...half, pruneRate: 0.8, importance: { exponent: 2 } }, {}],
  ['importance, power 0', { ...half, importance: { exponent: 0 } }, {}],
  ['importance, a broken power of wide losses', { ...half, importance: { exponent: 0.3 } }, { losses: 'wide' }],
  ['importance, losses below 0 and zeros', { ...half, importance: {} }, { losses: 'zeros' }],
  ['importance, nothing uniform, most are 0', { ...half, importance: { uniformShare: 0 } }, { losses: 'zeros' }],
  ['importance, half uniform', { ...half, importance: { uniformShare: 0.5 } }, { losses: 'few' }],
  ['importance, all uniform', { ...half, importance: { uniformShare: 1 } }, {}],
  ['importance, a third unseen', { ...half, importance: {} }, { thirds: true }],
  ['importance, more unseen than kept', { ...half, pruneRate: 0.75, importance: {} }, { thirds: true }],
  ['importance, capped weights', { ...half, weightCap: 2.3, importance: {} }, {}],
  ['importance, a longer period', { ...half, selectionPeriod: 2, importance: {} }, {}],
  ['selective_backprop', { ...half, selectiveBackprop: {} }, {}],
  ['selective_backprop, weights', { ...half, weights: ON, selectiveBackprop: { exponent: 3 } }, { losses: 'few' }],
  ['selective_backprop, a third unseen', { ...half, weights: ON, selectiveBackprop: {} }, { thirds: true }],
  ['custom_score', { ...half, customScore: { draw: true } }, { metrics: { score: 'score' } }],
  [
    'custom_score, some without a score',
    { ...half, customScore: { draw: true, uniformShare: 0 } },
    { metrics: { score: 'scoreWithGaps' } },
  ],
]

describe('a draw in proportion to sizes', () => {
  it.each(draws)(
    '%s: keeps k by the probabilities, systematically, and weights with their inverses',
    async (_, spec, kinds) => {
      for (const seed of ['1', '2', '3']) {
        await play({ ...spec, seed }, 6, kinds, (kept, { probabilities }) => {
          expect(kept).toHaveLength(Math.round(sumOf(probabilities)))
          expect(kept.every((index) => (probabilities[index] as number) > 0)).toBe(true)
          const certain = [...probabilities.keys()].filter((index) => probabilities[index] === 1)
          expect(kept).toEqual(expect.arrayContaining(certain))
          const isOfUnseen = probabilities.every((each) => each === 0 || each === Math.max(...probabilities))
          expect(isOfUnseen || isSystematic(kept, probabilities)).toBe(true)
        })
      }
    },
  )

  it('keeps each sample as often as its probability says', async () => {
    const runs = 400
    const sampleCount = 12
    const counts = range(sampleCount).map(() => 0)
    let expected: number[] = []
    for (const seed of range(runs)) {
      const spec = { sampleCount, pruneRate: 0.5, selectionPeriod: 1, seed: String(seed), importance: {} }
      const sampler = await SamplerRun.create(spec)
      const oracle = new OracleRun(spec)
      const { order } = await sampler.planEpoch(0)
      oracle.planEpoch(1)
      const values = order.map((index) => index + 1)
      oracle.report(order, values)
      await sampler.report(0, order, values, {})
      const { keptSet } = await sampler.planEpoch(1)
      expected = oracle.planEpoch(1, keptSet).probabilities
      for (const index of keptSet) counts[index] = (counts[index] ?? 0) + 1
    }
    expected.forEach((probability, index) => {
      const deviation = Math.sqrt(runs * probability * (1 - probability))
      expect(Math.abs((counts[index] as number) - runs * probability)).toBeLessThan(4 * deviation + ROUNDING)
    })
  })
})

describe('isSystematic', () => {
  it('tells draws with one start from others', () => {
    const probabilities = [0.5, 0.25, 1, 0.75, 0.5]
    // Parts of the line: 0 to 0.5, 0.5 to 0.75, none, 0.75 to 1.5, 1.5 to 2.
    const isPossible = (kept: number[]) => isSystematic(kept, probabilities)
    expect(
      [
        [0, 2, 3],
        [1, 2, 4],
        [2, 3, 4],
      ].map(isPossible),
    ).toEqual([true, true, true])
    expect(
      [
        [0, 2, 4],
        [1, 2, 3],
        [0, 1, 2],
        [2, 3],
        [0, 2, 3, 4],
      ].map(isPossible),
    ).toEqual(Array(5).fill(false))
  })
})

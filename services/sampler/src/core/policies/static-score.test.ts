import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { neededMetrics, type PolicyChoice, resolvePolicy, runDefaults } from './registry.js'
import { inBothOrders } from './testing/in-both-orders.js'
import { ObservedSamples } from './testing/observed-samples.js'

const forgetting = {
  name: 'static_score',
  metric: 'forgetting',
  observeEpochs: 20,
  scoresFrom: [],
} satisfies PolicyChoice
const el2n = { ...forgetting, metric: 'el2n' } satisfies PolicyChoice
const grand = { ...forgetting, metric: 'grand' } satisfies PolicyChoice

/** Samples with values of the one metric of the policy, one an epoch from epoch 0 on; undefined: no report. Losses are 1. */
function samplesOf(policy: PolicyChoice, histories: readonly (readonly (number | undefined)[])[]): ObservedSamples {
  const [metric] = neededMetrics(policy) as [string]
  const samples = new ObservedSamples(policy, histories.length)
  const epochs = Math.max(...histories.map(({ length }) => length))
  for (let epoch = 0; epoch < epochs; epoch++) {
    const indices = [...histories.keys()].filter((i) => histories[i]?.[epoch] !== undefined)
    const values = indices.map((i) => histories[i]?.[epoch] as number)
    samples.report(epoch, indices, new Array(indices.length).fill(1), { [metric]: values })
  }
  return samples
}

const NEVER = [0, 0, 0]

describe('static_score by forgetting', () => {
  it.each([
    [[], Number.NaN],
    [[0], -1],
    [[0, 0], -1],
    [[1], 1],
    [[0, 1], 1],
    [[1, 1], 1],
    [[1, 0], 2],
    [[1, 0, 0], 2],
    [[1, 0, 1], 3],
    [[1, 0, 1, 0, 1, 1, 0], 6],
    [[0.5, 1, 0.5], 2], // right is 1 alone
    [[1, Number.NaN, 0, Number.NaN], 2], // without the metric nothing changes
  ])('after %j its column holds %d', (history, state) => {
    expect(samplesOf(forgetting, [history]).own()).toEqual({ forgetting_state: [state] })
  })

  it('keeps those that were forgotten most often, after those that were never right or never seen', () => {
    const samples = samplesOf(forgetting, [
      [1, 0, 1, 0, 1], // forgotten twice
      [1, 1, 1, 1, 1], // never
      NEVER,
      [1, 0, 0, 0, 1], // once
      [],
      [1, 0, 1, 0, 0], // twice
    ])
    expect(samples.kept({ pruneRate: 4 / 6 })).toEqual([2, 4])
    expect(samples.kept({ pruneRate: 2 / 6 })).toEqual([0, 2, 4, 5])
    expect(samples.kept({ pruneRate: 1 / 6 })).toEqual([0, 2, 3, 4, 5])
  })

  it('does not look at whether a sample was right the last time', () => {
    const samples = samplesOf(forgetting, [
      [1, 0, 0],
      [1, 0, 1],
    ])
    const kept = new Set(Array.from({ length: 40 }, (_, seed) => samples.kept({ seed, pruneRate: 0.5 }).join()))
    expect(kept).toEqual(new Set(['0', '1']))
  })

  it('counts what a walk over the history counts', () => {
    const history = fc.array(fc.constantFrom(0, 1, undefined), { maxLength: 20 })
    fc.assert(
      fc.property(fc.array(history, { minLength: 1, maxLength: 20 }), fc.nat(), (histories, nth) => {
        const scoreOf = (some: readonly (number | undefined)[]) => {
          const seen = some.filter((value) => value !== undefined)
          if (!seen.includes(1)) return Number.POSITIVE_INFINITY
          return seen.filter((value, i) => value === 0 && seen[i - 1] === 1).length
        }
        const keptCount = 1 + (nth % histories.length)
        const kept = samplesOf(forgetting, histories).kept({ pruneRate: 1 - keptCount / histories.length })
        const sorted = (scores: number[]) => scores.sort((a, b) => (a === b ? 0 : b > a ? 1 : -1))
        const scores = kept.map((index) => scoreOf(histories[index] ?? []))
        expect(sorted(scores)).toEqual(sorted(histories.map(scoreOf)).slice(0, keptCount))
      }),
    )
  })
})

describe('static_score by a mean', () => {
  it('keeps sums and numbers of what was reported', () => {
    const histories = [[0.5, 0.25], [2], [], [Number.NaN, 3, Number.NaN]]
    expect(samplesOf(el2n, histories).own()).toEqual({
      el2n_sum: [0.75, 2, Number.NaN, 3],
      el2n_count: [2, 1, Number.NaN, 1],
    })
    expect(Object.keys(samplesOf(grand, histories).own())).toEqual(['grand_sum', 'grand_count'])
  })

  it('keeps the largest means, after those that have none', () => {
    const samples = samplesOf(grand, [[2, 2, 2, 2], [2.5], [2, 5, 2], [Number.NaN], []])
    expect(samples.kept({ pruneRate: 3 / 5 })).toEqual([3, 4])
    expect(samples.kept({ pruneRate: 2 / 5 })).toEqual([2, 3, 4])
    expect(samples.kept({ pruneRate: 1 / 5 })).toEqual([1, 2, 3, 4])
  })

  it('sums up and divides in f32', () => {
    // 2^24 + 1 is 2^24 in f32, so that both means are 2^23.
    const samples = samplesOf(el2n, [
      [2 ** 24, 1],
      [2 ** 24, 0],
    ])
    const kept = new Set(Array.from({ length: 40 }, (_, seed) => samples.kept({ seed, pruneRate: 0.5 }).join()))
    expect(kept).toEqual(new Set(['0', '1']))
  })
})

describe('static_score', () => {
  it.each([forgetting, el2n, grand])('has columns that do not depend on the order of reports: $metric', (policy) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const [oneWay, otherWay] = inBothOrders(policy, seed)
        expect(oneWay).toEqual(otherWay)
      }),
    )
  })

  it('counts only the first losses of each sample', () => {
    const policy = { ...forgetting, observeEpochs: 2 }
    const samples = samplesOf(policy, [
      [1, 0, 1, 0],
      [undefined, 1, 1, 0],
    ])
    expect(samples.own()).toEqual({ forgetting_state: [2, 1] })
    // A loss without the metric is one of the first as well.
    expect(samplesOf({ ...el2n, observeEpochs: 2 }, [[Number.NaN, 1, 4]]).own()).toEqual({
      el2n_sum: [1],
      el2n_count: [1],
    })
  })

  it('keeps the same at every selection, and other ties with another seed', () => {
    const samples = samplesOf(
      el2n,
      Array.from({ length: 40 }, () => [1]),
    )
    const at = (epoch: number, seed = 0) => samples.kept({ epoch, seed, pruneRate: 0.5 })
    expect(at(1)).toHaveLength(20)
    expect(at(7)).toEqual(at(1))
    expect(at(1, 1)).not.toEqual(at(1))
  })

  it('needs its metric, and warms up while it observes', () => {
    expect([forgetting, el2n, grand].map(neededMetrics)).toEqual([['correct'], ['el2n'], ['grand']])
    expect(runDefaults({ ...el2n, observeEpochs: 10 }, 100)).toEqual({ warmupEpochs: 10 })
  })

  it('has defaults, and refuses a number of epochs out of its range', () => {
    expect(resolvePolicy('static_score', {})).toEqual({ choice: forgetting, violations: [] })
    for (const observeEpochs of [0, 65_536]) {
      const { violations } = resolvePolicy('static_score', { observeEpochs })
      expect(violations.map(({ field }) => field)).toEqual(['observe_epochs'])
    }
  })
})

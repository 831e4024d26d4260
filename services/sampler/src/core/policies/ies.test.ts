import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countIsOwn, type PolicyChoice, pruneRateProblem, resolvePolicy, runDefaults } from './registry.js'
import { inBothOrders } from './testing/in-both-orders.js'
import { ObservedSamples } from './testing/observed-samples.js'

const ies = { name: 'ies', tau: 0.5 } satisfies PolicyChoice
const { fround } = Math

/** Samples with a history of losses each, one an epoch from epoch 0 on. */
function samplesOf(policy: PolicyChoice, histories: readonly (readonly number[])[]): ObservedSamples {
  const samples = new ObservedSamples(policy, histories.length)
  const epochs = Math.max(...histories.map(({ length }) => length))
  for (let epoch = 0; epoch < epochs; epoch++) {
    const indices = [...histories.keys()].filter((i) => epoch < (histories[i] as readonly number[]).length)
    samples.report(
      epoch,
      indices,
      indices.map((i) => histories[i]?.[epoch] as number),
    )
  }
  return samples
}

describe('the columns of ies', () => {
  it('hold the loss before the last, and the last three differences', () => {
    const columns = (...losses: number[]) => Object.values(samplesOf(ies, [losses]).own()).flat()
    const nan = Number.NaN
    expect(Object.keys(samplesOf(ies, [[]]).own())).toEqual([
      'ies_previous_loss',
      'ies_difference_1',
      'ies_difference_2',
      'ies_difference_3',
    ])
    expect(columns(8)).toEqual([nan, nan, nan, nan])
    expect(columns(8, 4)).toEqual([8, nan, nan, nan])
    expect(columns(8, 4, 3)).toEqual([4, nan, nan, 3])
    expect(columns(8, 4, 3, 3)).toEqual([3, nan, 3, 1])
    expect(columns(8, 4, 3, 3, 3.5)).toEqual([3, 3, 1, 0.5])
    expect(columns(8, 4, 3, 3, 3.5, 1)).toEqual([3.5, 1, 0.5, 3])
  })

  it('are the same in whatever order the reports of an epoch come', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const [oneWay, otherWay] = inBothOrders(ies, seed)
        expect(oneWay).toEqual(otherWay)
      }),
    )
  })
})

describe('ies', () => {
  it('leaves out the samples whose mean of three differences is below tau', () => {
    // Differences 3, 1 and 0.5: mean 1.5. The other sample jumps about.
    const keptWith = (tau: number) =>
      samplesOf({ ...ies, tau }, [
        [8, 4, 3, 3, 3.5],
        [0, 9, 0, 9, 0],
      ]).kept()
    expect(keptWith(1.5)).toEqual([0, 1])
    expect(keptWith(1.5001)).toEqual([1])
  })

  it('keeps samples without three differences', () => {
    const still = [1, 1, 1, 1, 1]
    expect(samplesOf(ies, [still, still.slice(1), still.slice(2), [1], []]).kept()).toEqual([1, 2, 3, 4])
  })

  it('takes a sample back when its loss moves again', () => {
    const other = [0, 9, 0, 9, 0, 9]
    expect(samplesOf(ies, [[1, 1, 1, 1, 1, 1], other]).kept()).toEqual([1])
    expect(samplesOf(ies, [[1, 1, 1, 1, 1, 4], other]).kept()).toEqual([0, 1])
  })

  it('keeps everything where it would keep nothing', () => {
    const still = new Array(5).fill(2)
    expect(samplesOf(ies, [still, still, still]).kept()).toEqual([0, 1, 2])
  })

  it('computes each step in f32', () => {
    // Of many sizes, so that a step is rounded almost always.
    const loss = fc.integer({ min: 1, max: 1_000_000 }).map((x) => fround(1000 / x))
    const histories = fc.array(fc.array(loss, { minLength: 4, maxLength: 9 }), { minLength: 1, maxLength: 8 })
    const meanOf = (losses: readonly number[]) => {
      const d = (t: number) => {
        const [l0, l1, l2] = [losses[t] as number, losses[t - 1] as number, losses[t - 2] as number]
        return Math.abs(fround(fround(l0 - fround(2 * l1)) + l2))
      }
      const last = losses.length - 1
      return fround(fround(fround(d(last - 2) + d(last - 1)) + d(last)) / 3)
    }
    fc.assert(
      fc.property(histories, fc.nat(), (some, nth) => {
        // A tau that one of the means hits exactly, so that the last bit decides.
        const means = some.filter(({ length }) => length >= 5).map(meanOf)
        const tau = means[nth % Math.max(1, means.length)] ?? 0.25
        const expected = [...some.keys()].filter((i) => {
          const losses = some[i] as number[]
          return losses.length < 5 || meanOf(losses) >= tau
        })
        expect(samplesOf({ ...ies, tau }, some).kept()).toEqual(expected.length > 0 ? expected : [...some.keys()])
      }),
      { numRuns: 500 },
    )
  })

  it('has tau in f32, and infinite differences where losses are too large for it', () => {
    const d = fround(0.7)
    expect(d).toBeLessThan(0.7)
    const other = [0, 9, 0, 9, 0]
    // The differences of the first are d three times.
    expect(samplesOf({ ...ies, tau: 0.7 }, [[0, 0, d, d, 0], other]).kept()).toEqual([0, 1])
    expect(samplesOf(ies, [new Array(5).fill(3e38), other]).kept()).toEqual([0, 1])
  })

  it('decides how many it keeps; selects every epoch, and has what is left out scored, by default', () => {
    expect(countIsOwn(ies, 0)).toBe(true)
    expect(pruneRateProblem(ies, 0)).toBeUndefined()
    expect(pruneRateProblem(ies, 0.5)).toMatch(/ies.*leave it at 0/)
    expect(runDefaults(ies, 100)).toEqual({ selectionPeriod: 1, scoreLeftOut: true })
  })

  it('has a default, and refuses a tau below 0', () => {
    expect(resolvePolicy('ies', {})).toEqual({ choice: { name: 'ies', tau: 0.001 }, violations: [] })
    expect(resolvePolicy('ies', { tau: 0 }).violations).toEqual([])
    for (const tau of [-0.1, Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(resolvePolicy('ies', { tau }).violations.map(({ field }) => field)).toEqual(['tau'])
    }
  })
})

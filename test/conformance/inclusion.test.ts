import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inclusion, power, proportional, sizesOf, smooth } from './inclusion.mjs'
import { OracleRun } from './oracle.mjs'
import type { Sample } from './rules.mjs'

const MAX = 3.4028234663852886e38
const sumOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0)

const sampleOf = (rest: Partial<Sample>): Sample => ({
  mean: 0,
  variance: 0,
  seen: true,
  last: 0,
  timesKept: 0,
  metrics: {},
  observations: [],
  ...rest,
})

describe('probabilities', () => {
  test('are proportional to the sizes, worked by hand', () => {
    expect(proportional([1, 2, 3, 2], 2)).toEqual([0.25, 0.5, 0.75, 0.5])
    expect(proportional([8, 1, 1, 2], 2)).toEqual([1, 0.25, 0.25, 0.5]) // 8 is certain
    expect(proportional([8, 4, 1, 1], 3)).toEqual([1, 1, 0.5, 0.5]) // then 4 is, too
    expect(proportional([0, 3, 0, 0, 7], 3)).toEqual([1 / 3, 1, 1 / 3, 1 / 3, 1])
    expect(proportional([2, 0], 2)).toEqual([1, 1])
  })

  test('give those without a size the first places, and all a share alike', () => {
    expect(inclusion([undefined, 5, undefined, 9], 1, 0)).toEqual([0.5, 0, 0.5, 0])
    expect(inclusion([undefined, 1, 3], 2, 0)).toEqual([1, 0.25, 0.75])
    expect(inclusion([undefined, 1, 3], 2, 0.5)).toEqual([1, 0.375, 0.625])
    const [first, ...others] = inclusion([10, 0, 0, 0], 2, 0.5) // smoothed to 5, 1, 1 and 1 of 8: the first is certain
    expect([first, others]).toEqual([1, others.map(() => expect.closeTo(1 / 3, 12))])
    expect(inclusion([1, 3], 1, 1)).toEqual([0.5, 0.5])
  })

  test('are smoothed before they are bounded, where a share is alike for all', () => {
    expect(smooth([1, 3], 0.5)).toEqual([0.375, 0.625])
    expect(smooth([0, 0], 0)).toEqual([0, 0])
  })

  test('are at most 1, sum up to k and rise with the size', () => {
    const size = fc.oneof(fc.constantFrom(0, 1, 2), fc.double({ min: 1e-30, max: 1e30, noNaN: true }))
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 30 }), fc.nat(30), (sizes, at) => {
        const k = 1 + (at % sizes.length)
        const probabilities = inclusion(sizes, k, 0)
        expect(sumOf(probabilities)).toBeCloseTo(k, 9)
        expect(probabilities.every((each) => each >= 0 && each <= 1)).toBe(true)
        const bySize = [...sizes.keys()].sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0))
        const rising = bySize.map((index) => probabilities[index] as number)
        expect(rising.every((each, place) => place === 0 || each >= (rising[place - 1] as number))).toBe(true)
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

describe('sizes', () => {
  test('powers are f32, and at most the largest', () => {
    expect(power(0.1, 1)).toBe(Math.fround(0.1))
    expect(power(3, 0.5)).toBe(Math.fround(Math.sqrt(3)))
    expect([power(1e38, 2), power(0, 0), power(0, 2)]).toEqual([MAX, 1, 0])
  })

  test('importance: the mean loss, not below 0', () => {
    const samples = [sampleOf({ mean: 3 }), sampleOf({ mean: -1 }), sampleOf({ seen: false })]
    expect(sizesOf.importance({ exponent: 2 }, samples)).toEqual([9, 0, undefined])
    expect(sizesOf.importance({}, samples)).toEqual([3, 0, undefined])
  })

  test('selective_backprop: the share of the seen with no larger last loss', () => {
    const samples = [3, 1, 3, 2].map((last) => sampleOf({ last })).concat(sampleOf({ seen: false }))
    expect(sizesOf.selectiveBackprop({}, samples)).toEqual([1, 0.25, 1, 0.5, undefined])
    expect(sizesOf.selectiveBackprop({ exponent: 2 }, samples)).toEqual([1, 0.0625, 1, 0.25, undefined])
  })

  test('custom_score: the score, not below 0', () => {
    const samples = [2, -1].map((score) => sampleOf({ metrics: { score } })).concat(sampleOf({}))
    expect(sizesOf.customScore({ draw: true }, samples)).toEqual([2, 0, undefined])
  })
})

test('a run follows the draw that it is told, and weights it with the inverses', () => {
  const run = new OracleRun({ sampleCount: 4, pruneRate: 0.5, selectionPeriod: 1, importance: { uniformShare: 0 } })
  run.planEpoch(1)
  run.report([0, 1, 2, 3], [1, 2, 3, 2])
  const plan = run.planEpoch(1, [0, 2])
  expect(plan).toMatchObject({ keptSet: [0, 2], probabilities: [0.25, 0.5, 0.75, 0.5] })
  expect(plan.weights).toEqual([4, Math.fround(4 / 3)])
  expect(() => run.planEpoch(1)).toThrow('depends on a draw')
})

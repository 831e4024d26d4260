import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choose } from '../random/choose.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { drawWeighted, UNSEEN_SIZE } from '../selection/draw-weighted.js'
import { keptCount } from '../share.js'
import { neededMetrics, type PolicyChoice, resolvePolicy, runDefaults } from './registry.js'
import { selectFrom, statisticsOf } from './testing/select-from.js'

const largest: PolicyChoice = { name: 'custom_score', draw: false, uniformShare: 0.1 }
const drawn: PolicyChoice = { ...largest, draw: true }
const NONE = Number.NaN

/** What is kept of samples with these scores, NaN for none; their losses fall, and the last has none. */
function select(choice: PolicyChoice, scores: readonly number[], options: Parameters<typeof selectFrom>[2]) {
  const losses = scores.map((_, i) => (i === scores.length - 1 ? undefined : -i))
  const statistics = statisticsOf(choice, losses)
  scores.forEach((score, i) => {
    if (!Number.isNaN(score)) statistics.observeMetric(i, 0, score)
  })
  const before = [...(statistics.metrics[0] as Float32Array)]
  const keptSet = selectFrom(choice, statistics, options)
  expect([...(statistics.metrics[0] as Float32Array)]).toEqual(before)
  return [...keptSet.indices()].map((index, i) => [index, keptSet.weights?.[i]] as const)
}

const indices = (kept: readonly (readonly [number, unknown])[]) => kept.map(([index]) => index)

const scores = fc.array(
  fc.oneof(fc.constant(NONE), fc.integer({ min: -3, max: 3 }), fc.float({ noNaN: true, noDefaultInfinity: true })),
  { minLength: 1, maxLength: 50 },
)

describe('custom_score', () => {
  it('keeps the largest scores, those without one first, all with weight 1', () => {
    expect(select(largest, [1, 5, NONE, -1, 3, 0], { pruneRate: 0.5 })).toEqual([
      [1, 1],
      [2, 1],
      [4, 1],
    ])
    expect(indices(select(largest, [NONE, NONE, 9, -1], { pruneRate: 0.5 }))).toEqual([0, 1])
  })

  it('takes ties at the end uniformly (chi-squared, 3 of 6 tied, 500 seeds)', () => {
    const counts = new Array(8).fill(0)
    for (let seed = 0; seed < 500; seed++) {
      for (const index of indices(select(largest, [9, 2, 2, 2, 2, 2, 2, 0], { pruneRate: 0.5, seed }))) counts[index]++
    }
    expect([counts[0], counts[7]]).toEqual([500, 0])
    // Drawing without replacement: scaled by (n - 1) / (n - k) to be chi-squared.
    const chiSquared = counts.slice(1, 7).reduce((sum, count) => sum + (count - 250) ** 2 / 250, 0)
    expect((chiSquared * 5) / 3).toBeLessThan(20.52) // 99.9 %, 5 degrees of freedom
    const chosen = choose(3, 6, new RandomStream(3n, 1, purpose.ties))
    expect(indices(select(largest, [9, 2, 2, 2, 2, 2, 2, 0], { pruneRate: 0.5, seed: 3 }))).toEqual([
      0,
      ...chosen.map((i) => i + 1),
    ])
  })

  it('keeps k, the same ones again, and never one with a smaller score than one that is left out', () => {
    fc.assert(
      fc.property(scores, fc.double({ min: 0, max: 0.99, noNaN: true }), fc.nat(), (some, pruneRate, seed) => {
        const kept = select(largest, some, { pruneRate, seed })
        expect(kept).toHaveLength(keptCount(pruneRate, some.length))
        expect(select(largest, some, { pruneRate, seed })).toEqual(kept)
        const value = (index: number) =>
          Number.isNaN(some[index]) ? Number.POSITIVE_INFINITY : (some[index] as number)
        const isKept = new Set(indices(kept))
        const [inside, outside] = [true, false].map((side) =>
          some.map((_, i) => i).filter((i) => isKept.has(i) === side),
        )
        const lowest = Math.min(...(inside as number[]).map(value))
        expect((outside as number[]).every((index) => value(index) <= lowest)).toBe(true)
      }),
    )
  })

  it('keeps the same samples in whatever order they are, where no scores tie', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 50 }), (some) => {
        const values = (list: number[]) =>
          new Set(indices(select(largest, list, { pruneRate: 0.4 })).map((i) => list[i]))
        expect(values([...some].reverse())).toEqual(values(some))
      }),
    )
  })

  it('draws in proportion to the score, those below 0 as 0 and those without one first, and weighs with the inverse', () => {
    for (let seed = 0; seed < 50; seed++) {
      for (const uniformShare of [0, 0.1, 1]) {
        const sizes = Float32Array.of(1, 5, UNSEEN_SIZE, 0, 3, 0, 0.5, 2)
        const stream = new RandomStream(BigInt(seed), 1, purpose.draw)
        const { keptSet, weights } = drawWeighted(sizes, 4, uniformShare, stream)
        expect(select({ ...drawn, uniformShare }, [1, 5, NONE, -1, 3, 0, 0.5, 2], { pruneRate: 0.5, seed })).toEqual(
          [...keptSet.indices()].map((index, i) => [index, weights[i]]),
        )
      }
    }
  })

  it('draws k', () => {
    fc.assert(
      fc.property(scores, fc.double({ min: 0, max: 0.99, noNaN: true }), fc.nat(), (some, pruneRate, seed) => {
        expect(select(drawn, some, { pruneRate, seed })).toHaveLength(keptCount(pruneRate, some.length))
      }),
    )
  })

  it('needs the metric score, and has weights by default where it draws', () => {
    expect(neededMetrics(largest)).toEqual(['score'])
    expect(resolvePolicy('custom_score', {})).toEqual({ choice: largest, violations: [] })
    expect([runDefaults(largest, 100), runDefaults(drawn, 100)]).toEqual([{}, { weights: 'on' }])
  })

  it.each([-0.1, 1.1, Number.NaN])('refuses uniform_share %f', (uniformShare) => {
    const description = `uniform_share is ${uniformShare}; it must be from 0 to 1`
    expect(resolvePolicy('custom_score', { uniformShare }).violations).toEqual([
      { field: 'uniform_share', description },
    ])
  })
})

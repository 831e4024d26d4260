import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shares, someSizes } from '../../kernels/testing/sizes.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { drawWeighted } from './draw-weighted.js'
import { toInclusion } from './inclusion.js'
import { exactInclusion } from './testing/exact-inclusion.js'

const stream = (seed: number) => new RandomStream(BigInt(seed), 1, purpose.draw)

/** 24 sizes: zeros, ties, one that dominates, one without a loss. */
const sizes = Float32Array.of(
  ...[0, 0.5, 0.5, 1, 2, 40, 0.1, 0, 3, -1, 1.5, 0.25],
  ...[1, 1, 6, 0.01, 2, 2, 0.75, 5, 0, 0.5, 1, 1e-6],
)
const count = 9
const KEYS = 4000

/** Whether the set is what some offset gives: those samples whose part of the line, from sum of p before it to sum of p with it, holds a whole number minus it. */
function isSystematic(p: readonly number[], isKept: (index: number) => boolean): boolean {
  const ends: number[] = []
  for (const each of p) ends.push((ends.at(-1) ?? 0) + each)
  const turns = ends.map((end) => 1 - (end % 1)).filter((turn) => turn > 1e-9 && turn < 1 - 1e-9)
  const limits = [0, ...turns.sort((a, b) => a - b), 1]
  const offsets = limits.slice(1).map((limit, i) => (limit + (limits[i] as number)) / 2)
  return offsets.some((offset) =>
    ends.every((end, i) => {
      const before = i === 0 ? 0 : (ends[i - 1] as number)
      // The ends of certain samples may be off a whole number by a rounding.
      return isKept(i) === (p[i] === 1 || Math.floor(end + offset) > Math.floor(before + offset))
    }),
  )
}

describe('drawWeighted', () => {
  it('keeps exactly as many as it is asked for, with the inverse of their probabilities', () => {
    fc.assert(
      fc.property(someSizes, fc.nat(), shares, fc.nat(), (some, at, share, seed) => {
        for (const wanted of [0, at % (some.length + 1), some.length]) {
          const { keptSet, weights } = drawWeighted(some, wanted, share, stream(seed))
          const indices = keptSet.indices()
          expect([keptSet.count, indices.length, weights.length]).toEqual([wanted, wanted, wanted])
          const unseen = some.filter((size) => size < 0).length
          if (wanted > unseen) {
            const { units, whole } = toInclusion(some, wanted, share)
            expect([...weights]).toEqual([...indices].map((i) => Math.fround(whole / (units[i] as number))))
          } else {
            expect(indices.every((i) => (some[i] as number) < 0)).toBe(true)
            expect([...weights]).toEqual(new Array(wanted).fill(Math.fround(unseen / wanted)))
          }
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('keeps what an offset on the line of exact probabilities gives', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1, max: 9 }), { minLength: 1, maxLength: 40 }),
        fc.nat(),
        shares,
        fc.nat(),
        (some, at, share, seed) => {
          const values = Float32Array.from(some)
          const seen = values.filter((size) => size >= 0).length
          if (seen === 0) return
          const wanted = values.length - seen + 1 + (at % seen)
          const { keptSet } = drawWeighted(values, wanted, share, stream(seed))
          expect(isSystematic(exactInclusion(values, wanted, share), (i) => keptSet.has(i))).toBe(true)
        },
      ),
      { numRuns: 1000 },
    )
  })

  it.each([0, 0.1, 1])('keeps each sample as often as its probability says (share %f, 4,000 keys)', (share) => {
    const kept = new Array(sizes.length).fill(0)
    for (let seed = 0; seed < KEYS; seed++) {
      for (const i of drawWeighted(sizes, count, share, stream(seed)).keptSet.indices()) kept[i]++
    }
    exactInclusion(sizes, count, share).forEach((p, i) => {
      const deviation = Math.sqrt(KEYS * p * (1 - p))
      expect(Math.abs(kept[i] - KEYS * p)).toBeLessThanOrEqual(4 * deviation)
    })
  })

  it('has weights that make a sum over the kept samples the sum over all, in the mean', () => {
    const values = Array.from(sizes, (size, i) => size + Math.sin(i))
    const sum = values.reduce((a, b) => a + b, 0)
    const estimates: number[] = []
    let unweighted = 0
    for (let seed = 0; seed < KEYS; seed++) {
      const { keptSet, weights } = drawWeighted(sizes, count, 0.1, stream(seed))
      let estimate = 0
      keptSet.indices().forEach((i, at) => {
        estimate += (weights[at] as number) * (values[i] as number)
        unweighted += ((sizes.length / count) * (values[i] as number)) / KEYS
      })
      estimates.push(estimate)
    }
    const mean = estimates.reduce((a, b) => a + b, 0) / KEYS
    const variance = estimates.reduce((total, each) => total + (each - mean) ** 2, 0) / (KEYS - 1)
    const bound = 4 * Math.sqrt(variance / KEYS)
    expect(Math.abs(mean - sum)).toBeLessThan(bound)
    expect(Math.abs(unweighted - sum)).toBeGreaterThan(10 * bound)
  })

  it('keeps samples without a loss first, each of them equally often where they are too many (chi-squared)', () => {
    const some = Float32Array.of(-1, 9, -1, -1, 9, -1, -1)
    const kept = new Array(some.length).fill(0)
    for (let seed = 0; seed < KEYS; seed++) {
      const { keptSet, weights } = drawWeighted(some, 2, 0.1, stream(seed))
      for (const i of keptSet.indices()) kept[i]++
      expect([...weights]).toEqual([2.5, 2.5])
    }
    expect([kept[1], kept[4]]).toEqual([0, 0])
    const [expected, of] = [(2 * KEYS) / 5, [0, 2, 3, 5, 6]]
    // Drawn without replacement, the counts vary by (1 - 2/5) 5/4 of what independent ones would.
    const chiSquared = of.reduce((total, i) => total + (kept[i] - expected) ** 2 / expected, 0) / 0.75
    expect(chiSquared).toBeLessThan(18.47) // 99.9 % of chi-squared with 4 degrees of freedom
  })

  it('leaves the sizes as they are', () => {
    const some = sizes.slice()
    drawWeighted(some, count, 0.1, stream(1))
    expect(some).toEqual(sizes)
  })
})

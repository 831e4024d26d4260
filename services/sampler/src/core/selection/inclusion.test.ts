import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shares, someSizes } from '../../kernels/testing/sizes.js'
import { toInclusion } from './inclusion.js'
import { exactInclusion } from './testing/exact-inclusion.js'

/** Sizes, and numbers to keep that are above the number of samples without a loss. */
const cases = fc
  .tuple(
    someSizes.filter((sizes) => sizes.some((size) => size >= 0)),
    fc.nat(),
    shares,
  )
  .map(([sizes, at, share]) => {
    const seen = sizes.filter((size) => size >= 0).length
    return { sizes, share, count: sizes.length - seen + 1 + (at % seen) }
  })

const add = (units: Float64Array) => units.reduce((sum, each) => sum + BigInt(each), 0n)

describe('toInclusion', () => {
  it('comes to the probabilities of exact fractions', () => {
    fc.assert(
      fc.property(cases, ({ sizes, share, count }) => {
        const { units, whole } = toInclusion(sizes, count, share)
        const exact = exactInclusion(sizes, count, share)
        units.forEach((each, i) => {
          expect(Math.abs(each / whole - (exact[i] as number))).toBeLessThan(2 ** -40)
        })
      }),
      { numRuns: 2000 },
    )
  })

  it('has whole units up to the whole, which add up to exactly the samples to keep', () => {
    fc.assert(
      fc.property(cases, ({ sizes, share, count }) => {
        const { units, whole } = toInclusion(sizes, count, share)
        expect(whole).toBeLessThan(2 ** 52)
        expect(units.every((each) => Number.isInteger(each) && each >= 0 && each <= whole)).toBe(true)
        expect(add(units)).toBe(BigInt(count) * BigInt(whole))
      }),
      { numRuns: 2000 },
    )
  })

  it('adds up to exactly the samples to keep where each of many sizes is rounded', () => {
    for (const share of [0, 0.1]) {
      const sizes = Float32Array.from({ length: 50_000 }, (_, i) => 1 / (1 + ((i * 7919) % 50_000)))
      const { units, whole } = toInclusion(sizes, 20_001, share)
      expect(add(units)).toBe(20_001n * BigInt(whole))
    }
  })

  it('leaves every size above 0 a chance, however small, and 0 none while there are enough others', () => {
    const sizes = Float32Array.of(1, 1, 1, 2 ** -149, 0)
    const { units } = toInclusion(sizes, 2, 0)
    expect(units[3]).toBe(2)
    expect(units[4]).toBe(0)
    expect((units[0] as number) / (units[3] as number)).toBeGreaterThan(2 ** 48)
  })

  it('makes what dominates certain, and divides the rest in proportion', () => {
    const { units, whole } = toInclusion(Float32Array.of(3e38, 1, 2, 1), 2, 0)
    expect([...units].map((each) => each / whole)).toEqual([1, 0.25, 0.5, 0.25])
  })

  it('draws among sizes of 0 with equal probabilities where others are too few', () => {
    const { units, whole } = toInclusion(Float32Array.of(0, 5, 0, -0, 1e-45, 0), 3, 0)
    expect([...units].map((each) => each / whole)).toEqual([0.25, 1, 0.25, 0.25, 1, 0.25])
  })

  it('has equal probabilities of sizes of 0 where their share is too small for f64', () => {
    const { units, whole } = toInclusion(Float32Array.of(400, 0, 0, 0, -0), 2, 5e-324)
    expect([...units].map((each) => each / whole)).toEqual([1, 0.25, 0.25, 0.25, 0.25])
  })

  it('has equal probabilities where the share of the uniform is 1', () => {
    const { units, whole } = toInclusion(Float32Array.of(0, 5, 1e30, 1), 2, 1)
    expect([...units].map((each) => each / whole)).toEqual([0.5, 0.5, 0.5, 0.5])
  })
})

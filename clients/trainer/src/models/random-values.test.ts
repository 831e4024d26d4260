import { describe, expect, it } from 'vitest'
import { createRandomValues } from './random-values.js'

describe('createRandomValues', () => {
  it('gives the same values for the same seed, in any pieces', () => {
    const whole = createRandomValues(42)(100, 1)
    const draw = createRandomValues(42)
    expect([...draw(30, 1), ...draw(70, 1)]).toEqual([...whole])
    expect(createRandomValues(43)(100, 1)).not.toEqual(whole)
  })

  it('fills the range evenly', () => {
    const size = 100_000
    const values = createRandomValues(1)(size, 2)
    const counts = new Array<number>(20).fill(0)
    for (const value of values) {
      const bin = Math.floor((value + 2) * 5)
      counts[bin] = (counts[bin] as number) + 1
    }
    expect(counts).toHaveLength(20)
    // Chi-squared with 19 degrees of freedom: above 43.8 once in a thousand seeds.
    const expected = size / 20
    expect(counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)).toBeLessThan(43.8)
  })

  it('keeps to the values that it has always given, so that old runs can be repeated', () => {
    expect([...createRandomValues(7)(3, 1)]).toEqual([-0.9765905141830444, -0.876083493232727, 0.9538152813911438])
  })
})

import { describe, expect, it } from 'vitest'
import { keptCount, share } from './share.js'

describe('keptCount', () => {
  it.each([
    [0, 10, 10],
    [0.5, 10, 5],
    [0.5, 11, 5],
    [0.9, 10, 1], // (1 - 0.9) * 10 is 0.9999999999999998
    [0.07, 100, 93], // (1 - 0.07) * 100 is 92.99999999999999
    [0.7, 10, 3],
    [0.3, 50_000, 35_000],
    [0.999, 100, 0],
    [0.5, 0xffffffff, 0x7fffffff],
  ])('prune rate %d of %i keeps %i', (pruneRate, sampleCount, expected) => {
    expect(keptCount(pruneRate, sampleCount)).toBe(expected)
  })

  it('is floor where no rounding is near', () => {
    expect(share(0.29, 100)).toBe(29)
    expect(share(0.1, 19)).toBe(1)
    expect(share(1, 7)).toBe(7)
  })
})

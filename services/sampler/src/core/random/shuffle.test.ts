import { describe, expect, it } from 'vitest'
import { purpose, RandomStream } from './random-stream.js'
import { SPLIT_ABOVE, shuffle } from './shuffle.js'

describe('shuffle', () => {
  it('keeps the items', () => {
    const items = Uint32Array.from({ length: 1000 }, (_, i) => i * 3)
    const shuffled = items.slice()
    shuffle(shuffled, new RandomStream(5n, 1, purpose.order))
    expect(shuffled).not.toEqual(items)
    expect(shuffled.sort()).toEqual(items)
  })

  it.each([
    ['by swaps', SPLIT_ABOVE],
    ['by splits', 1],
  ])('makes every order equally often %s (chi-squared over all 24 of 4 items, 24,000 shuffles)', (_, splitAbove) => {
    const random = new RandomStream(43n, 0, purpose.order)
    const counts = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const items = Uint32Array.of(0, 1, 2, 3)
      shuffle(items, random, splitAbove)
      counts.set(items.join(), (counts.get(items.join()) ?? 0) + 1)
    }
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(counts.size).toBe(24)
    expect(chiSquared).toBeLessThan(49.73) // 99.9 % of chi-squared with 23 degrees of freedom
  })

  it('puts the items of a long list into the order of the bytes that they draw, four from each number', () => {
    const length = SPLIT_ABOVE + 3
    const shuffled = Uint32Array.from({ length }, (_, i) => i)
    shuffle(shuffled, new RandomStream(7n, 1, purpose.order))
    const words = new RandomStream(7n, 1, purpose.order)
    const numbers = Uint32Array.from({ length: Math.ceil(length / 4) }, () => words.next())
    const byteOf = (item: number) => ((numbers[item >>> 2] as number) >>> (8 * (item & 3))) & 0xff
    const bytes = Uint8Array.from(shuffled, byteOf)
    expect(Buffer.compare(bytes, bytes.toSorted())).toBe(0)
    // Within its bucket an item is anywhere: of two neighbours each is as often the smaller.
    const ascents = shuffled.filter((item, at) => at > 0 && item > (shuffled[at - 1] as number)).length
    expect(Math.abs(ascents / length - 0.5)).toBeLessThan(0.002)
    expect(shuffled.sort().every((item, i) => item === i)).toBe(true)
  })

  it.each([0, 1])('leaves %i items as they are, and draws nothing', (length) => {
    const random = new RandomStream(1n, 0, purpose.order)
    shuffle(new Uint32Array(length), random)
    expect(random.next()).toBe(new RandomStream(1n, 0, purpose.order).next())
  })
})

import { describe, expect, it } from 'vitest'
import { purpose, RandomStream } from './random-stream.js'
import { shuffle } from './shuffle.js'

describe('shuffle', () => {
  it('keeps the items', () => {
    const items = Uint32Array.from({ length: 1000 }, (_, i) => i * 3)
    const shuffled = items.slice()
    shuffle(shuffled, new RandomStream(5n, 1, purpose.order))
    expect(shuffled).not.toEqual(items)
    expect(shuffled.sort()).toEqual(items)
  })

  it('makes every order equally often (chi-squared over all 24 of 4 items, 24,000 shuffles)', () => {
    const random = new RandomStream(43n, 0, purpose.order)
    const counts = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const items = Uint32Array.of(0, 1, 2, 3)
      shuffle(items, random)
      counts.set(items.join(), (counts.get(items.join()) ?? 0) + 1)
    }
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(counts.size).toBe(24)
    expect(chiSquared).toBeLessThan(49.73) // 99.9 % of chi-squared with 23 degrees of freedom
  })

  it.each([0, 1])('leaves %i items as they are, and draws nothing', (length) => {
    const random = new RandomStream(1n, 0, purpose.order)
    shuffle(new Uint32Array(length), random)
    expect(random.next()).toBe(new RandomStream(1n, 0, purpose.order).next())
  })
})

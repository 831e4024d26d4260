import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choose } from './choose.js'
import { purpose, RandomStream } from './random-stream.js'

const stream = (seed: number) => new RandomStream(BigInt(seed), 0, purpose.draw)

describe('choose', () => {
  it('gives distinct ascending positions in range', () => {
    const sizes = fc.nat(200).chain((length) => fc.tuple(fc.nat(length), fc.constant(length), fc.nat()))
    fc.assert(
      fc.property(sizes, ([count, length, seed]) => {
        const chosen = choose(count, length, stream(seed))
        expect(chosen.length).toBe(count)
        chosen.forEach((position, i) => {
          expect(position).toBeLessThan(length)
          if (i > 0) expect(position).toBeGreaterThan(chosen[i - 1] as number)
        })
      }),
    )
  })

  it('draws nothing for an empty choice', () => {
    const random = stream(1)
    choose(0, 10, random)
    expect(random.next()).toBe(stream(1).next())
  })

  it('chooses every subset equally often (chi-squared over all 10 pairs of 5, 20,000 draws)', () => {
    const random = stream(42)
    const counts = new Map<string, number>()
    for (let i = 0; i < 20_000; i++) {
      const subset = choose(2, 5, random).join()
      counts.set(subset, (counts.get(subset) ?? 0) + 1)
    }
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0)
    expect(counts.size).toBe(10)
    expect(chiSquared).toBeLessThan(27.88) // 99.9 % of chi-squared with 9 degrees of freedom
  })
})

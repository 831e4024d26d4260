import { describe, expect, it } from 'vitest'
import { belowLarge } from './below-large.js'
import { purpose, RandomStream } from './random-stream.js'

/** A stream of these words. */
function streamOf(...words: number[]): RandomStream {
  const stream = new RandomStream(0n, 0, purpose.draw)
  stream.next = () => words.shift() as number
  return stream
}

describe('belowLarge', () => {
  it('takes the high 20 bits from the first number and the low 32 from the second', () => {
    expect(belowLarge(2 ** 52, streamOf(0xfff12345, 0x89abcdef))).toBe(0x1234589abcdef)
  })

  it('takes what is left over by n', () => {
    expect(belowLarge(1000, streamOf(1, 5))).toBe((2 ** 32 + 5) % 1000)
  })

  it('draws again where small numbers would be favoured', () => {
    // 2^52 mod (2^51 + 1) = 2^51 - 1: only the first 2^51 + 1 numbers count.
    expect(belowLarge(2 ** 51 + 1, streamOf(0x80000, 1, 0x80000, 0))).toBe(2 ** 51)
  })

  it.each([1, 3, 1000, 2 ** 33 + 7, 2 ** 51 + 1, 2 ** 52])('draws below %i in range, over all of it', (n) => {
    const stream = new RandomStream(1n, 0, purpose.draw)
    const draws = Array.from({ length: 4000 }, () => belowLarge(n, stream))
    expect(draws.every((draw) => Number.isInteger(draw) && draw >= 0 && draw < n)).toBe(true)
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
    const deviation = Math.sqrt((n ** 2 - 1) / 12 / draws.length)
    expect(Math.abs(mean - (n - 1) / 2)).toBeLessThanOrEqual(4 * deviation)
  })
})

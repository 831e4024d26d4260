import { describe, expect, it } from 'vitest'
import { philox4x32, purpose, RandomStream } from './random-stream.js'

const hex = (words: Uint32Array) => [...words].map((word) => word.toString(16).padStart(8, '0')).join(' ')

describe('philox4x32', () => {
  // Known-answer vectors published with Random123.
  it.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ] as const)('counter %j with key %j', (counter, key, expected) => {
    const output = new Uint32Array(4)
    philox4x32(output, key, counter)
    expect(hex(output)).toBe(expected)
  })
})

describe('RandomStream', () => {
  const take = (stream: RandomStream, count: number) => Array.from({ length: count }, () => stream.next())

  it('gives the same numbers for the same key', () => {
    expect(take(new RandomStream(7n, 3, purpose.order), 9)).toEqual(take(new RandomStream(7n, 3, purpose.order), 9))
  })

  it('gives other numbers for another seed (also in its high half), epoch or purpose', () => {
    const streams = [
      new RandomStream(7n, 3, purpose.order),
      new RandomStream(8n, 3, purpose.order),
      new RandomStream(7n + (1n << 32n), 3, purpose.order),
      new RandomStream(7n, 4, purpose.order),
      new RandomStream(7n, 3, purpose.draw),
    ]
    expect(new Set(streams.map((stream) => take(stream, 4).join())).size).toBe(streams.length)
  })

  it('draws below n without bias: a word that would favour small numbers is drawn again', () => {
    const stream = new RandomStream(0n, 0, purpose.draw)
    const words = [0xaaaaaaab, 0, 0xffffffff]
    stream.next = () => words.shift() as number
    // 0xaaaaaaab * 3 = 2^33 + 1: low half 1, and (2^32 - 3) mod 3 = 1, so that it is the first that counts.
    expect(stream.below(3)).toBe(2)
    expect(stream.below(3)).toBe(2)
    expect(words).toEqual([])
  })

  it.each([1, 2, 3, 10, 1000, 0x80000001, 0xffffffff])('draws below %i in range, over all of it', (n) => {
    const stream = new RandomStream(1n, 0, purpose.draw)
    const draws = Array.from({ length: 4000 }, () => stream.below(n))
    expect(draws.every((draw) => Number.isInteger(draw) && draw >= 0 && draw < n)).toBe(true)
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
    const expected = (n - 1) / 2
    const deviation = Math.sqrt((n * n - 1) / 12 / draws.length)
    expect(Math.abs(mean - expected)).toBeLessThanOrEqual(4 * deviation)
  })
})

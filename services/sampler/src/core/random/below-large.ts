import type { RandomStream } from './random-stream.js'

const RANGE = 2 ** 52

/**
 * An integer uniform in [0, n), without bias, for whole n with 1 <= n <= 2^52. Each try takes two numbers of the stream: the low 20 bits of the
 * first are the high ones of an x below 2^52. Where x is among the last 2^52 mod n it is thrown away; the answer is x mod n.
 */
export function belowLarge(n: number, random: RandomStream): number {
  const limit = RANGE - (RANGE % n)
  for (;;) {
    const x = (random.next() & 0xfffff) * 2 ** 32 + random.next()
    if (x < limit) return x % n
  }
}

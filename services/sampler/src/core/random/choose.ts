import type { RandomStream } from './random-stream.js'

/**
 * Chooses `count` of the positions 0 to length - 1, uniformly without replacement, in ascending order.
 * One number of the stream for each position walked; stops after the last one chosen. Requires 0 <= count <= length.
 * Source: selection sampling, Knuth, The Art of Computer Programming, vol. 2, 3.4.2, algorithm S.
 */
export function choose(count: number, length: number, random: RandomStream): Uint32Array {
  const chosen = new Uint32Array(count)
  let taken = 0
  for (let position = 0; taken < count; position++) {
    if (random.below(length - position) < count - taken) chosen[taken++] = position
  }
  return chosen
}

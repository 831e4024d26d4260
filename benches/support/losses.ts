import { seededRandom } from '../../test/support/random.js'

/** Losses of a batch, drawn from a seed. */
export function lossesOf(batchSize: number, seed: number): Float32Array {
  const random = seededRandom(seed)
  return Float32Array.from({ length: batchSize }, () => 4 * random())
}

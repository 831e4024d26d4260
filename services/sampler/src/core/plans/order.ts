import { purpose, RandomStream } from '../random/random-stream.js'
import { shuffle } from '../random/shuffle.js'

/** Brings what an epoch keeps, in ascending order, into the order in which it trains on it: the same for every world size. */
export function toOrderOfEpoch(kept: Uint32Array, seed: bigint, epoch: number): Uint32Array {
  shuffle(kept, new RandomStream(seed, epoch, purpose.order))
  return kept
}

import { purpose, RandomStream } from '../random/random-stream.js'
import { shuffle } from '../random/shuffle.js'

/** The order in which an epoch trains on its kept set, the same for every world size. `keptSet` is ascending and is not changed. */
export function orderOfEpoch(keptSet: Uint32Array, seed: bigint, epoch: number): Uint32Array {
  const order = keptSet.slice()
  shuffle(order, new RandomStream(seed, epoch, purpose.order))
  return order
}

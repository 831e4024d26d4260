import { purpose } from '../core/random/random-stream.js'
import { SPLIT_ABOVE } from '../core/random/shuffle.js'
import { bitBytes, type KeptSet } from '../core/selection/kept-set.js'
import { SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import { compileKernels, Kernels } from './kernels.js'
import { aligned, noColumns, roomOf } from './room.js'

/** The order in which an epoch trains on a kept set, undefined: on everything; the twin of `toOrderOfEpoch`. */
export function orderOfEpoch(
  keptSet: KeptSet | undefined,
  sampleCount: number,
  seed: bigint,
  epoch: number,
): Uint32Array {
  const count = keptSet?.count ?? sampleCount
  const bits = SCRATCH_BYTES
  const items = bits + (keptSet ? aligned(bitBytes(sampleCount)) : 0)
  const spare = items + aligned(4 * count)
  const room = roomOf(spare + (count > SPLIT_ABOVE ? aligned(4 * count) : 0))
  const kernels = new Kernels(compileKernels(), room, { sampleCount, ...noColumns })
  if (keptSet) {
    const set = new Uint8Array(room.buffer, bits, bitBytes(sampleCount))
    set.fill(0)
    set.set(keptSet.bits.subarray(0, set.length))
    kernels.expand(bits, items)
  } else kernels.iota(items)
  kernels.shuffle(items, spare, count, { seed, epoch, purpose: purpose.order })
  // Not shared: memory that threads share is collected late, as nothing tells the collector how much it is.
  return new Uint32Array(new Uint32Array(room.buffer, items, count))
}

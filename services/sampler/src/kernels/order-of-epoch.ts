import { purpose } from '../core/random/random-stream.js'
import { SPLIT_ABOVE } from '../core/random/shuffle.js'
import { bitBytes, type KeptSet } from '../core/selection/kept-set.js'
import { SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import { compileKernels, Kernels } from './kernels.js'

const PAGE_BYTES = 0x10000
const aligned = (bytes: number) => 16 * Math.ceil(bytes / 16)

/** The order in which an epoch trains on a kept set, undefined: on everything; the twin of `toOrderOfEpoch`. On a buffer that threads can share. */
export function orderOfEpoch(
  keptSet: KeptSet | undefined,
  sampleCount: number,
  seed: bigint,
  epoch: number,
): Uint32Array<SharedArrayBuffer> {
  const count = keptSet?.count ?? sampleCount
  const bits = SCRATCH_BYTES
  const items = bits + (keptSet ? aligned(bitBytes(sampleCount)) : 0)
  const spare = items + aligned(4 * count)
  const end = spare + (count > SPLIT_ABOVE ? aligned(4 * count) : 0)
  const pages = Math.ceil(end / PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const none = { mean: 0, variance: 0, lastLoss: 0, observations: 0, timesKept: 0 }
  const kernels = new Kernels(compileKernels(), memory, { sampleCount, ...none })
  if (keptSet) {
    new Uint8Array(memory.buffer, bits).set(keptSet.bits.subarray(0, bitBytes(sampleCount)))
    kernels.expand(bits, items)
  } else kernels.iota(items)
  kernels.shuffle(items, spare, count, { seed, epoch, purpose: purpose.order })
  const order = new Uint32Array(new SharedArrayBuffer(4 * count))
  order.set(new Uint32Array(memory.buffer, items, count))
  return order
}

import { purpose } from '../core/random/random-stream.js'
import { SPLIT_ABOVE } from '../core/random/shuffle.js'
import { bitBytes, type KeptSet } from '../core/selection/kept-set.js'
import { SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import { compileKernels, Kernels } from './kernels.js'

const PAGE_BYTES = 0x10000
const aligned = (bytes: number) => 16 * Math.ceil(bytes / 16)

/** What the last order was made in, for the next one: a fresh memory costs more than the shuffle of a million samples. It goes with its thread. */
let memory: WebAssembly.Memory | undefined

function memoryOf(bytes: number): WebAssembly.Memory {
  if (memory && memory.buffer.byteLength >= bytes) return memory
  const pages = Math.ceil(bytes / PAGE_BYTES)
  memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  return memory
}

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
  const room = memoryOf(spare + (count > SPLIT_ABOVE ? aligned(4 * count) : 0))
  const none = { mean: 0, variance: 0, lastLoss: 0, observations: 0, timesKept: 0 }
  const kernels = new Kernels(compileKernels(), room, { sampleCount, ...none })
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

import type { RandomKey } from '../core/random/random-stream.js'
import type { WeightedDraw } from '../core/selection/draw-weighted.js'
import { bitBytes, KeptSet } from '../core/selection/kept-set.js'
import { SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import { compileKernels, Kernels } from './kernels.js'
import { aligned, noColumns, roomOf } from './room.js'

/** `count` samples drawn in proportion to their sizes: the twin of `drawWeighted`. */
export function weightedDraw(sizes: Float32Array, count: number, uniformShare: number, draw: RandomKey): WeightedDraw {
  const sampleCount = sizes.length
  const bits = SCRATCH_BYTES
  const sizesAt = bits + aligned(bitBytes(sampleCount))
  const room = roomOf(sizesAt + aligned(4 * sampleCount))
  const set = new Uint8Array(room.buffer, bits, bitBytes(sampleCount)).fill(0)
  const list = new Float32Array(room.buffer, sizesAt, sampleCount)
  list.set(sizes)
  new Kernels(compileKernels(), room, { sampleCount, ...noColumns }).drawWeighted(
    bits,
    sizesAt,
    count,
    uniformShare,
    draw,
  )
  return { keptSet: new KeptSet(new Uint8Array(set), count), weights: new Float32Array(list.subarray(0, count)) }
}

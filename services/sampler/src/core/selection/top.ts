import { choose } from '../random/choose.js'
import type { RandomStream } from '../random/random-stream.js'

interface Threshold {
  readonly key: number
  /** Samples with a larger key. */
  readonly above: number
  /** Samples with this very key. */
  readonly equal: number
}

/** The bin that holds the k-th largest entry, and how many entries lie in bins above it. */
function findBin(histogram: Uint32Array, k: number): { bin: number; above: number } {
  let above = 0
  let bin = histogram.length - 1
  while (above + (histogram[bin] as number) < k) above += histogram[bin--] as number
  return { bin, above }
}

/** The k-th largest key, by two histograms of 16 bits each; 1 <= k <= keys.length. */
function findThreshold(keys: Uint32Array, k: number): Threshold {
  const histogram = new Uint32Array(0x10000)
  for (let i = 0; i < keys.length; i++) (histogram[(keys[i] as number) >>> 16] as number)++
  const high = findBin(histogram, k)
  histogram.fill(0)
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as number
    if (key >>> 16 === high.bin) (histogram[key & 0xffff] as number)++
  }
  const low = findBin(histogram, k - high.above)
  return {
    key: ((high.bin << 16) | low.bin) >>> 0,
    above: high.above + low.above,
    equal: histogram[low.bin] as number,
  }
}

/**
 * Indices of the k largest keys, ascending. Ties at the threshold are taken uniformly without replacement with `ties`,
 * from which nothing is drawn where no choice is left. Time linear in keys.length. Requires 0 <= k <= keys.length.
 */
export function selectTop(keys: Uint32Array, k: number, ties: RandomStream): Uint32Array {
  const kept = new Uint32Array(k)
  if (k === 0) return kept
  const threshold = findThreshold(keys, k)
  const needed = k - threshold.above
  const takeAll = needed === threshold.equal
  const tied = takeAll ? kept : choose(needed, threshold.equal, ties)
  let count = 0
  let tiedSeen = 0
  let tiedTaken = 0
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as number
    if (key > threshold.key) kept[count++] = i
    else if (key === threshold.key) {
      if (takeAll || tied[tiedTaken] === tiedSeen) {
        kept[count++] = i
        tiedTaken++
      }
      tiedSeen++
    }
  }
  return kept
}

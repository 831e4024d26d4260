import { countBits, type KeptSet } from './kept-set.js'

/** Most entries of a histogram of times kept. */
export const MAX_BINS = 64

/** What came of a selection, over all samples. */
export interface SelectionSummary {
  /** Samples that every selection so far kept, this one included. */
  readonly alwaysCount: number
  /** Samples that none kept. */
  readonly neverCount: number
  /** Jaccard index of the kept set and that of the selection before; undefined for the first. */
  readonly overlap: number | undefined
  /** Samples kept 0 to binWidth - 1 times, and so on, at most MAX_BINS entries. */
  readonly timesKept: readonly number[]
  readonly binWidth: number
}

/** Where `timesKept` stays. */
const MAX_COUNT = 0xffff

/**
 * What comes of a selection that keeps `keptSet`, after `selections` others whose counts are `timesKept` and of which the last kept `previous`. Time linear in N.
 */
export function summarise(
  keptSet: KeptSet,
  timesKept: Uint16Array,
  selections: number,
  previous: KeptSet,
): SelectionSummary {
  const all = Math.min(selections + 1, MAX_COUNT)
  const counts = countTimes(keptSet, timesKept, all)
  const binWidth = Math.ceil((all + 1) / MAX_BINS)
  const bins = new Array<number>(Math.ceil((all + 1) / binWidth)).fill(0)
  counts.forEach((count, times) => {
    const bin = Math.floor(times / binWidth)
    bins[bin] = (bins[bin] as number) + count
  })
  return {
    alwaysCount: counts[all] as number,
    neverCount: counts[0] as number,
    overlap: selections === 0 ? undefined : overlapOf(keptSet, previous),
    timesKept: bins,
    binWidth,
  }
}

/** How many samples were kept how often, up to `all` times, the set included. */
function countTimes({ bits }: KeptSet, timesKept: Uint16Array, all: number): Uint32Array {
  const counts = new Uint32Array(all + 1)
  for (let i = 0; i < timesKept.length; i++) {
    const times = (timesKept[i] as number) + (((bits[i >>> 3] ?? 0) >>> (i & 7)) & 1)
    const at = times < all ? times : all
    counts[at] = (counts[at] as number) + 1
  }
  return counts
}

/** Jaccard index: samples in both sets over those in one or both. Two empty sets are the same. */
function overlapOf(one: KeptSet, other: KeptSet): number {
  const both = countBits(one.bits.map((byte, i) => byte & (other.bits[i] ?? 0)))
  const either = one.count + other.count - both
  return either === 0 ? 1 : both / either
}

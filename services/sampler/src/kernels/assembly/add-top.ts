import { below, openStream } from './random-stream'
import { eightUnseen, fourKeys, keyAt } from './score-keys'
import { HISTOGRAM, HISTOGRAM_BYTES } from './scratch'

/** What `findBin` found besides the bin: how many keys lie in bins above it, and in it. */
let above: u32
let inside: u32

// @ts-ignore: a decorator of AssemblyScript
@inline
function count(table: usize, bin: u32): void {
  const address = table + (<usize>bin << 2)
  store<u32>(address, load<u32>(address) + 1)
}

/** Counts the four bins that are packed in `bins`, by turns in one table and the other. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function countFour(bins: u64): void {
  count(HISTOGRAM, <u32>bins & 0xffff)
  count(HISTOGRAM + HISTOGRAM_BYTES, (<u32>bins >>> 16) & 0xffff)
  count(HISTOGRAM, <u32>(bins >> 32) & 0xffff)
  count(HISTOGRAM + HISTOGRAM_BYTES, <u32>(bins >> 48))
}

function clearHistograms(): void {
  memory.fill(HISTOGRAM, 0, 2 * HISTOGRAM_BYTES)
}

/** Keys in a bin, over both tables. */
function countedIn(bin: u32): u32 {
  const address = HISTOGRAM + (<usize>bin << 2)
  return load<u32>(address) + load<u32>(address, HISTOGRAM_BYTES)
}

/** The bin that holds the k-th largest key. */
function findBin(k: u32): u32 {
  above = 0
  let bin: u32 = 0xffff
  inside = countedIn(bin)
  while (above + inside < k) {
    above += inside
    inside = countedIn(--bin)
  }
  return bin
}

/** Histogram of the high halves, shifted so that the lowest is 0. */
function countHighHalves(mean: usize, variance: usize, observations: usize, n: u32, c: f32): void {
  clearHistograms()
  const weights = f32x4.splat(c)
  const whole = n & ~7
  for (let i: u32 = 0; i < whole; i += 8) {
    const unseen = eightUnseen(observations, i)
    const offset = <usize>i << 2
    const first = fourKeys(mean, variance, offset, weights, i32x4.extend_low_i16x8_s(unseen))
    const second = fourKeys(mean, variance, offset + 16, weights, i32x4.extend_high_i16x8_s(unseen))
    const high = i16x8.narrow_i32x4_s(i32x4.shr_s(first, 16), i32x4.shr_s(second, 16))
    const bins = v128.xor(high, i16x8.splat(i16.MIN_VALUE))
    countFour(i64x2.extract_lane(bins, 0))
    countFour(i64x2.extract_lane(bins, 1))
  }
  for (let i = whole; i < n; i++) {
    count(HISTOGRAM, (keyAt(mean, variance, observations, c, i) >> 16) + 0x8000)
  }
}

/** Histogram of the low halves of the keys with this high half. */
function countLowHalves(mean: usize, variance: usize, observations: usize, n: u32, c: f32, high: i32): void {
  clearHistograms()
  const weights = f32x4.splat(c)
  const wanted = i16x8.splat(<i16>high)
  const whole = n & ~7
  for (let i: u32 = 0; i < whole; i += 8) {
    const unseen = eightUnseen(observations, i)
    const offset = <usize>i << 2
    const first = fourKeys(mean, variance, offset, weights, i32x4.extend_low_i16x8_s(unseen))
    const second = fourKeys(mean, variance, offset + 16, weights, i32x4.extend_high_i16x8_s(unseen))
    const highs = i16x8.narrow_i32x4_s(i32x4.shr_s(first, 16), i32x4.shr_s(second, 16))
    for (let found = i16x8.bitmask(i16x8.eq(highs, wanted)); found !== 0; found &= found - 1) {
      count(HISTOGRAM, keyAt(mean, variance, observations, c, i + ctz(found)) & 0xffff)
    }
  }
  for (let i = whole; i < n; i++) {
    const key = keyAt(mean, variance, observations, c, i)
    if (key >> 16 === high) count(HISTOGRAM, key & 0xffff)
  }
}

/** Sets the bit of a sample if `isTaken` is 1, and leaves it if that is 0. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function mark(bits: usize, i: u32, isTaken: u32): void {
  const address = bits + (i >>> 3)
  store<u8>(address, <u32>load<u8>(address) | (isTaken << (i & 7)))
}

/** Sets the bits of the samples with a key above `limit`. */
function addAbove(mean: usize, variance: usize, observations: usize, bits: usize, n: u32, c: f32, limit: i32): void {
  const weights = f32x4.splat(c)
  const limits = i32x4.splat(limit)
  const whole = n & ~7
  for (let i: u32 = 0; i < whole; i += 8) {
    const unseen = eightUnseen(observations, i)
    const offset = <usize>i << 2
    const first = fourKeys(mean, variance, offset, weights, i32x4.extend_low_i16x8_s(unseen))
    const second = fourKeys(mean, variance, offset + 16, weights, i32x4.extend_high_i16x8_s(unseen))
    const taken = i16x8.narrow_i32x4_s(i32x4.gt_s(first, limits), i32x4.gt_s(second, limits))
    const address = bits + (i >>> 3)
    store<u8>(address, load<u8>(address) | i16x8.bitmask(taken))
  }
  for (let i = whole; i < n; i++) {
    mark(bits, i, <u32>(keyAt(mean, variance, observations, c, i) > limit))
  }
}

/** Sets the bits of `needed` of the `tied` samples with this very key, by selection sampling in ascending order. */
function addTied(
  mean: usize, variance: usize, observations: usize, bits: usize, n: u32, c: f32, key: i32, needed: u32, tied: u32,
): void {
  // The bound is for statistics that somebody changed meanwhile: what lies behind the bits is not to be overwritten.
  for (let i: u32 = 0; needed > 0 && i < n; i++) {
    if (keyAt(mean, variance, observations, c, i) !== key) continue
    const isTaken = <u32>(below(tied) < needed)
    mark(bits, i, isTaken)
    needed -= isTaken
    tied--
  }
}

/**
 * Sets the bits of the `count` samples with the largest mean + c variance, unseen ones first; count <= n. The twin is `selectTop` of
 * core/selection/top.ts over `toScoreKeys`; the stream is that of ties. There are no arrays of scores or keys: each pass computes them
 * anew, which costs less than to write and read them.
 */
export function addTop(
  mean: usize, variance: usize, observations: usize, bits: usize, n: u32, count: u32, c: f32,
  seedLow: u32, seedHigh: u32, epoch: u32, purpose: u32,
): void {
  if (count === 0) return
  countHighHalves(mean, variance, observations, n, c)
  const high = <i32>findBin(count) - 0x8000
  const aboveHigh = above
  countLowHalves(mean, variance, observations, n, c, high)
  const key = (high << 16) | findBin(count - aboveHigh)
  const needed = count - aboveHigh - above
  const tied = inside
  if (needed === tied) {
    addAbove(mean, variance, observations, bits, n, c, key - 1)
    return
  }
  addAbove(mean, variance, observations, bits, n, c, key)
  openStream(seedLow, seedHigh, epoch, purpose)
  addTied(mean, variance, observations, bits, n, c, key, needed, tied)
}

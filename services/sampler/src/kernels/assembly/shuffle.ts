import { below, drawnSoFar, hasFour, next, openStream, peekFour, seek, skipFour } from './random-stream'
import { BUCKETS, BUCKETS_BYTES } from './scratch'

// @ts-ignore: a decorator of AssemblyScript
@inline
function swap(items: usize, i: u32, j: u32): void {
  const here = items + (<usize>i << 2)
  const there = items + (<usize>j << 2)
  const item = load<u32>(here)
  store<u32>(here, load<u32>(there))
  store<u32>(there, item)
}

/** Fisher and Yates, from the end. Four steps are drawn at once, where `below` would reject none of their numbers at first sight. */
function swapAll(items: usize, length: u32): void {
  if (length === 0) return
  for (let i = length - 1; i > 0; ) {
    if (i >= 4 && hasFour()) {
      const sizes = i32x4.sub(i32x4.splat(i + 1), i32x4(0, 1, 2, 3))
      const words = peekFour()
      const products01 = i64x2.extmul_low_i32x4_u(words, sizes)
      const products23 = i64x2.extmul_high_i32x4_u(words, sizes)
      const low = v128.shuffle<u32>(products01, products23, 0, 2, 4, 6)
      if (!v128.any_true(i32x4.lt_u(low, sizes))) {
        const j = v128.shuffle<u32>(products01, products23, 1, 3, 5, 7)
        swap(items, i, i32x4.extract_lane(j, 0))
        swap(items, i - 1, i32x4.extract_lane(j, 1))
        swap(items, i - 2, i32x4.extract_lane(j, 2))
        swap(items, i - 3, i32x4.extract_lane(j, 3))
        skipFour()
        i -= 4
        continue
      }
    }
    swap(items, i, below(i + 1))
    i--
  }
}

/** The entry of the bucket that byte 0 to 3 of a number names. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function bucketOf(buckets: usize, word: u32, byte: u32): usize {
  return buckets + (((word >>> (8 * byte)) & 0xff) << 2)
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function count(bucket: usize): void {
  store<u32>(bucket, load<u32>(bucket) + 1)
}

/** Draws a byte for each item, and leaves in the buckets' entries where each begins, from `target` on. */
function placeBuckets(buckets: usize, target: usize, length: u32): void {
  memory.fill(buckets, 0, BUCKETS_BYTES)
  for (let left = length >>> 2; left > 0; left--) {
    const word = next()
    count(bucketOf(buckets, word, 0))
    count(bucketOf(buckets, word, 1))
    count(bucketOf(buckets, word, 2))
    count(bucketOf(buckets, word, 3))
  }
  const rest = length & 3
  if (rest > 0) {
    const word = next()
    for (let byte: u32 = 0; byte < rest; byte++) count(bucketOf(buckets, word, byte))
  }
  let start = target
  for (let bucket = buckets; bucket < buckets + BUCKETS_BYTES; bucket += 4) {
    const items = load<u32>(bucket)
    store<u32>(bucket, <u32>start)
    start += <usize>items << 2
  }
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function put(bucket: usize, item: u32): void {
  const address = <usize>load<u32>(bucket)
  store<u32>(address, item)
  store<u32>(bucket, <u32>address + 4)
}

/** Moves each item to its bucket, by the same bytes again: the buckets' entries then say where each ends. */
function scatter(items: usize, buckets: usize, length: u32): void {
  const end = items + (<usize>length << 2)
  let from = items
  for (; from + 16 <= end; from += 16) {
    const word = next()
    put(bucketOf(buckets, word, 0), load<u32>(from))
    put(bucketOf(buckets, word, 1), load<u32>(from, 4))
    put(bucketOf(buckets, word, 2), load<u32>(from, 8))
    put(bucketOf(buckets, word, 3), load<u32>(from, 12))
  }
  if (from < end) {
    const word = next()
    for (let byte: u32 = 0; from < end; byte++, from += 4) put(bucketOf(buckets, word, byte), load<u32>(from))
  }
}

/**
 * Splits a list that is longer than `splitAbove`, by way of `spare`, into 256 buckets. Each goes back before it is shuffled: a copy in order fetches it into
 * the cache, where swaps would wait for each line.
 */
function shufflePart(items: usize, spare: usize, length: u32, splitAbove: u32, buckets: usize): void {
  if (length <= splitAbove) {
    swapAll(items, length)
    return
  }
  const drawn = drawnSoFar()
  placeBuckets(buckets, spare, length)
  seek(drawn)
  scatter(items, buckets, length)
  let start = spare
  for (let bucket = buckets; bucket < buckets + BUCKETS_BYTES; bucket += 4) {
    const end = <usize>load<u32>(bucket)
    const place = items + (start - spare)
    memory.copy(place, start, end - start)
    shufflePart(place, start, <u32>(end - start) >>> 2, splitAbove, buckets + BUCKETS_BYTES)
    start = end
  }
}

/** Shuffles in place as core/random/shuffle.ts. `spare` is room for as many items, which only more than `splitAbove` need. */
export function shuffle(
  items: usize, spare: usize, length: u32, splitAbove: u32, seedLow: u32, seedHigh: u32, epoch: u32, purpose: u32,
): void {
  openStream(seedLow, seedHigh, epoch, purpose)
  shufflePart(items, spare, length, splitAbove, BUCKETS)
}

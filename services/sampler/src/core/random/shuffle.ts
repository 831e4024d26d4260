import type { RandomStream } from './random-stream.js'

/**
 * The longest list that `shuffle` shuffles by swaps all over it. Part of what defines an order: docs/reference/selection.md.
 *
 * Measured on a Zen 4 server core with 1 MiB of L2, time of the split against that of swaps alone: 1.5 at 0.64 M items, 1.4 at 1 M,
 * 0.9 at 1.5-2 M, 0.5 at 7 M (5.7 against 11.2 ns an item), in WebAssembly; here 1.2 at
 * 2 M and 0.85 at 7 M. A smaller or busier cache moves the crossing down.
 */
export const SPLIT_ABOVE = 0x100000

const BUCKETS = 256

/** Source: Fisher and Yates, from the end. */
function swapAll(items: Uint32Array, random: RandomStream): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const item = items[i] as number
    items[i] = items[j] as number
    items[j] = item
  }
}

/** A byte for each item: every number of the stream gives four, the lowest first, and what is left of the last is not used. */
function drawBytes(count: number, random: RandomStream): Uint8Array {
  const bytes = new Uint8Array(count)
  for (let i = 0; i < count; i += 4) {
    const word = random.next()
    for (let byte = 0; byte < 4; byte++) bytes[i + byte] = word >>> (8 * byte)
  }
  return bytes
}

/** Moves each item to the bucket that its byte names, in their order. Returns where the buckets end. */
function split(items: Uint32Array, random: RandomStream): Uint32Array {
  const bytes = drawBytes(items.length, random)
  const ends = new Uint32Array(BUCKETS)
  for (let i = 0; i < bytes.length; i++) (ends[bytes[i] as number] as number)++
  let start = 0
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const size = ends[bucket] as number
    ends[bucket] = start
    start += size
  }
  const source = items.slice()
  for (let i = 0; i < bytes.length; i++) items[(ends[bytes[i] as number] as number)++] = source[i] as number
  return ends
}

/**
 * Shuffles in place: every order is equally likely. More than SPLIT_ABOVE items are split at random into 256 buckets, which are then
 * shuffled one after another by the same rule: each fits into a cache, where swaps all over the items would wait for memory.
 * Sources: Rao, "Generation of random permutations of given number of elements using random sampling numbers", Sankhya A 23, 1961;
 * Sandelius, "A simple randomization procedure", Journal of the Royal Statistical Society B 24, 1962.
 * `splitAbove` is for tests, which see short lists split again and again by it.
 */
export function shuffle(items: Uint32Array, random: RandomStream, splitAbove = SPLIT_ABOVE): void {
  if (items.length <= splitAbove) {
    swapAll(items, random)
    return
  }
  let start = 0
  for (const end of split(items, random)) {
    shuffle(items.subarray(start, end), random, splitAbove)
    start = end
  }
}

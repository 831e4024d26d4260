/** Counts, random streams and draws of docs/reference/selection.md, for the oracle: BigInt arithmetic, plain lists and full sorts. */

// ---- Counts

/** floor(x n), but the nearest integer where x n is within 1e-6 of it. */
export function share(x, n) {
  const product = x * n
  const nearest = Math.round(product)
  return Math.abs(product - nearest) < 1e-6 ? nearest : Math.floor(product)
}

// ---- Random streams

const LOW_32 = 0xffffffffn
export const PURPOSE = { order: 1, draw: 2, ties: 3, explore: 4 }

/** Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011): four u32 of counter and two of key, as BigInts, to four u32. */
export function philox4x32(counter, key) {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const product0 = 0xd2511f53n * c0
    const product1 = 0xcd9e8d57n * c2
    c0 = (product1 >> 32n) ^ c1 ^ k0
    c1 = product1 & LOW_32
    c2 = (product0 >> 32n) ^ c3 ^ k1
    c3 = product0 & LOW_32
    k0 = (k0 + 0x9e3779b9n) & LOW_32
    k1 = (k1 + 0xbb67ae85n) & LOW_32
  }
  return [c0, c1, c2, c3]
}

/** The endless u32 (as BigInts) of the stream (seed, epoch, purpose). */
export function* stream(seed, epoch, purpose) {
  const key = [BigInt(seed) & LOW_32, BigInt(seed) >> 32n]
  for (let block = 0n; ; block++) yield* philox4x32([block, BigInt(epoch), BigInt(purpose), 0n], key)
}

/** A uniform integer in [0, n), n from 1 to 2^32 - 1. */
export function below(words, n) {
  const size = BigInt(n)
  const rejected = (2n ** 32n - size) % size
  for (;;) {
    const product = words.next().value * size
    if ((product & LOW_32) >= rejected) return Number(product >> 32n)
  }
}

/** `count` items of the list, uniformly without replacement, in the list's order. */
export function choose(words, count, list) {
  const chosen = []
  for (let at = 0; chosen.length < count; at++) {
    if (below(words, list.length - at) < count - chosen.length) chosen.push(list[at])
  }
  return chosen
}

const SPLIT_ABOVE = 1_048_576

/** A shuffled copy of the list. The length above which it is split can be made smaller, so that a test sees it split at once and again. */
export function shuffle(words, list, splitAbove = SPLIT_ABOVE) {
  return list.length > splitAbove ? splitAndShuffle(words, list, splitAbove) : fisherYates(words, list)
}

function splitAndShuffle(words, list, splitAbove) {
  const buckets = Array.from({ length: 256 }, () => [])
  for (let start = 0; start < list.length; start += 4) {
    const word = words.next().value
    list.slice(start, start + 4).forEach((item, at) => {
      buckets[Number((word >> BigInt(8 * at)) & 0xffn)].push(item)
    })
  }
  return buckets.flatMap((bucket) => shuffle(words, bucket, splitAbove))
}

function fisherYates(words, list) {
  const shuffled = [...list]
  for (let i = shuffled.length - 1; i >= 1; i--) {
    const j = below(words, i + 1)
    const item = shuffled[i]
    shuffled[i] = shuffled[j]
    shuffled[j] = item
  }
  return shuffled
}

// ---- Ranking

export const ascending = (a, b) => a - b

/** The k samples that rank first, in ascending order: the unseen, then those with larger scores; ties at the threshold by `ties`. */
export function top(k, scores, seen, ties) {
  if (k === 0) return []
  const compare = (a, b) => {
    if (seen[a] !== seen[b]) return seen[a] ? 1 : -1
    if (!seen[a] || scores[a] === scores[b]) return 0
    return scores[a] > scores[b] ? -1 : 1
  }
  const all = scores.map((_, index) => index)
  const last = all.toSorted(compare)[k - 1]
  const above = all.filter((index) => compare(index, last) < 0)
  const tied = all.filter((index) => compare(index, last) === 0)
  const rest = tied.length === k - above.length ? tied : choose(ties, k - above.length, tied)
  return [...above, ...rest].sort(ascending)
}

/**
 * A second, independent computation of plans, written from docs/reference/selection.md alone: BigInt arithmetic, plain lists and full sorts.
 * It shares no code with the sampler and is meant to be obviously right, not fast. Section names are those of the page.
 */
import { createHash } from 'node:crypto'

const { fround } = Math

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

// ---- Statistics of a sample

const MAX = 3.4028234663852886e38

/** The statistic { mean, variance, seen } after one more finite loss. alpha is any double in (0, 1]. */
export function observe(statistic, loss, alpha, initial) {
  if (!statistic.seen && initial !== 'INITIAL_STATISTICS_ZERO') return { mean: loss, variance: 0, seen: true }
  const weight = fround(alpha)
  const beta = fround(1 - weight)
  const { mean, variance } = statistic
  const d = fround(loss - mean)
  return {
    variance: Math.min(fround(fround(beta * variance) + fround(weight * fround(d * d))), MAX),
    mean: fround(fround(beta * mean) + fround(weight * loss)),
    seen: true,
  }
}

// ---- Selection

const ascending = (a, b) => a - b

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

/** The kept set that the policy of the spec selects at an epoch, in ascending order. */
function select(spec, epoch, pruneRate, statistics) {
  const all = statistics.map((_, index) => index)
  const seen = statistics.map((statistic) => statistic.seen)
  const k = share(1 - pruneRate, spec.sampleCount)
  const open = (purpose, at = epoch) => stream(spec.seed ?? 0, at, PURPOSE[purpose])
  if (spec.full) return all
  if (spec.staticRandom) return choose(open('draw', 0), k, all)
  if (spec.random) return choose(open('draw'), k, all)
  if (spec.epsilonGreedy) {
    const explored = share(spec.epsilonGreedy.epsilon ?? 0.1, k)
    const means = statistics.map((statistic) => statistic.mean)
    const taken = top(k - explored, means, seen, open('ties'))
    const others = all.filter((index) => !taken.includes(index))
    return [...taken, ...choose(open('explore'), explored, others)].sort(ascending)
  }
  if (spec.orderDp) {
    const rate = spec.orderDp.poolRate || Math.sqrt(k / spec.sampleCount)
    const pool = choose(open('draw'), Math.max(k, share(rate, spec.sampleCount)), all)
    const of = (list) => pool.map((index) => list[index])
    const losses = statistics.map((statistic) => statistic.last)
    return top(k, of(losses), of(seen), open('ties')).map((place) => pool[place])
  }
  const c = fround(spec.ucb.c ?? 1)
  const scores = statistics.map(({ mean, variance }) => fround(mean + fround(c * variance)))
  return top(k, scores, seen, open('ties'))
}

// ---- Which epochs select

/** The prune rate at an epoch. */
function pruneRateAt(spec, epoch) {
  const entry = (spec.pruneRateSchedule ?? []).findLast(({ fromEpoch }) => (fromEpoch ?? 0) <= epoch)
  return (entry ?? spec).pruneRate ?? 0
}

/** Epochs from one selection to the next. */
export function selectionPeriod(spec) {
  if (spec.selectionPeriod !== undefined) return spec.selectionPeriod
  return spec.totalEpochs === undefined ? 10 : Math.max(1, Math.floor((spec.totalEpochs + 10) / 20))
}

/** WARMUP, TAIL, SELECTED or REUSED. */
export function reasonAt(spec, epoch) {
  const warmup = spec.warmupEpochs ?? 1
  const tail = spec.tailEpochs ?? 0
  if (epoch < warmup) return 'WARMUP'
  if (tail > 0 && epoch >= spec.totalEpochs - tail) return 'TAIL'
  if ((epoch - warmup) % selectionPeriod(spec) === 0) return 'SELECTED'
  return epoch > warmup && pruneRateAt(spec, epoch) !== pruneRateAt(spec, epoch - 1) ? 'SELECTED' : 'REUSED'
}

// ---- Order and ranks

/** SHA-256, in hex, over a list of indices as packed little-endian u32. */
export function digest(indices) {
  const bytes = Buffer.alloc(4 * indices.length)
  indices.forEach((index, at) => {
    bytes.writeUInt32LE(index, 4 * at)
  })
  return createHash('sha256').update(bytes).digest('hex')
}

/** The positions of each rank. RangeError where the world size is refused. */
export function shard(spec, order, worldSize) {
  const multiple = spec.positionMultiple ?? 1
  const drop = spec.shardMode === 'SHARD_MODE_DROP'
  const round = drop ? Math.floor : Math.ceil
  const length = round(round(order.length / worldSize) / multiple) * multiple
  if (drop ? length < 1 : order.length < worldSize) throw new RangeError(`world size ${worldSize} is refused`)
  return Array.from({ length: worldSize }, (_, rank) => {
    const own = order.filter((_, at) => at % worldSize === rank)
    return Array.from({ length }, (_, position) => own[position] ?? own[0])
  })
}

/** A run: plans its epochs one after another, 0 first; reports of an epoch come between its plan and the next. */
export class OracleRun {
  #spec
  #statistics
  #kept = { set: [], epoch: 0 }
  #observed = new Set()
  #progress = { epochsPlanned: 0, samplesPlanned: 0, reports: 0, observations: 0, nonFinite: 0, repeats: 0 }

  /** spec: RunSpec as proto3 JSON. */
  constructor(spec) {
    this.#spec = spec
    this.#statistics = Array.from({ length: spec.sampleCount }, () => ({ mean: 0, variance: 0, seen: false, last: 0 }))
  }

  get statistics() {
    return this.#statistics.map(({ last, ...statistic }) => statistic)
  }

  get progress() {
    return { ...this.#progress }
  }

  planEpoch(worldSize) {
    const epoch = this.#progress.epochsPlanned
    const reason = reasonAt(this.#spec, epoch)
    const everything = reason === 'WARMUP' || reason === 'TAIL'
    if (reason === 'SELECTED') {
      this.#kept = { set: select(this.#spec, epoch, pruneRateAt(this.#spec, epoch), this.#statistics), epoch }
    }
    const keptSet = everything ? this.#statistics.map((_, index) => index) : this.#kept.set
    const order = shuffle(stream(this.#spec.seed ?? 0, epoch, PURPOSE.order), keptSet)
    const ranks = shard(this.#spec, order, worldSize)
    this.#observed.clear()
    this.#progress.epochsPlanned += 1
    this.#progress.samplesPlanned += keptSet.length
    const saving = 1 - this.#progress.samplesPlanned / (this.#progress.epochsPlanned * this.#spec.sampleCount)
    const selectionEpoch = everything ? epoch : this.#kept.epoch
    return {
      epoch,
      reason,
      selectionEpoch,
      keptCount: keptSet.length,
      saving,
      keptSet,
      order,
      ranks,
      digest: digest(order),
    }
  }

  /** One report of the epoch planned last. Losses are f32 values. */
  report(sampleIndices, losses) {
    const { alpha, initial } = this.#spec.epsilonGreedy ?? this.#spec.ucb ?? {}
    this.#progress.reports += 1
    sampleIndices.forEach((index, at) => {
      if (!Number.isFinite(losses[at])) {
        this.#progress.nonFinite += 1
      } else if (this.#observed.has(index)) {
        this.#progress.repeats += 1
      } else {
        this.#observed.add(index)
        this.#progress.observations += 1
        const observed = observe(this.#statistics[index], losses[at], alpha ?? 0.8, initial)
        this.#statistics[index] = { ...observed, last: losses[at] }
      }
    })
  }
}

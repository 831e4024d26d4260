/**
 * A second, independent computation of plans, written from docs/reference/selection.md alone: BigInt arithmetic, plain lists and full sorts.
 * It shares no code with the sampler and is meant to be obviously right, not fast. Section names are those of the page.
 */
import { createHash } from 'node:crypto'
import { runSettings } from './defaults.mjs'
import { PURPOSE, share, shuffle, stream } from './draws.mjs'
import { inclusion, isWeightedDraw, sizesOf, uniformShareOf } from './inclusion.mjs'
import { hiddenShare, policyOf, rules } from './rules.mjs'

const { fround } = Math

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

// ---- Which epochs select

/** The prune rate at an epoch. */
function pruneRateAt(spec, epoch) {
  const entry = (spec.pruneRateSchedule ?? []).findLast(({ fromEpoch }) => (fromEpoch ?? 0) <= epoch)
  return (entry ?? spec).pruneRate ?? 0
}

/** WARMUP, TAIL, SELECTED or REUSED. */
export function reasonAt(spec, epoch) {
  const { warmupEpochs: warmup, tailEpochs: tail, selectionPeriod } = runSettings(spec)
  if (epoch < warmup) return 'WARMUP'
  if (tail > 0 && epoch >= spec.totalEpochs - tail) return 'TAIL'
  if ((epoch - warmup) % selectionPeriod === 0) return 'SELECTED'
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

// ---- A run

const emptySample = () => ({
  statistic: { mean: 0, variance: 0, seen: false },
  last: 0,
  timesKept: 0,
  metrics: {},
  observations: [],
})

/** The loss that a sample is taken to have where a report has the mean of its batch. last: the one before, or undefined; momentum is any double in [0, 1). */
export function batchLoss(last, mean, momentum) {
  if (last === undefined) return mean
  const a = fround(momentum)
  return fround(fround(a * last) + fround(fround(1 - a) * mean))
}

/** A run: plans its epochs one after another, 0 first; reports of an epoch come between its plan and the next. */
export class OracleRun {
  #spec
  #settings
  #samples
  #kept = { set: [], weights: undefined, epoch: 0 }
  #probabilities = []
  #selections = 0
  #observed = new Set()
  #leftOut = []
  #progress = { epochsPlanned: 0, samplesPlanned: 0, reports: 0, observations: 0, nonFinite: 0, repeats: 0 }

  /** spec: RunSpec as proto3 JSON. */
  constructor(spec) {
    this.#spec = spec
    this.#settings = runSettings(spec)
    this.#samples = Array.from({ length: spec.sampleCount }, emptySample)
    if (this.#settings.scoreLeftOut) this.#progress.scored = 0
  }

  get statistics() {
    return this.#samples.map(({ statistic }) => statistic)
  }

  get progress() {
    return { ...this.#progress }
  }

  /** drawn: the kept set in ascending order where a selection is a draw in proportion to sizes. Not needed where each sample is certain or impossible. */
  planEpoch(worldSize, drawn) {
    const epoch = this.#progress.epochsPlanned
    const reason = reasonAt(this.#spec, epoch)
    const everything = reason === 'WARMUP' || reason === 'TAIL'
    if (reason === 'SELECTED') this.#select(epoch, drawn)
    const all = this.#samples.map((_, index) => index)
    const keptSet = everything ? all : this.#kept.set
    const order = shuffle(stream(this.#spec.seed ?? 0, epoch, PURPOSE.order), keptSet)
    const ranks = shard(this.#spec, order, worldSize)
    this.#observed.clear()
    this.#progress.epochsPlanned += 1
    this.#progress.samplesPlanned += keptSet.length
    const saving = 1 - this.#progress.samplesPlanned / (this.#progress.epochsPlanned * this.#spec.sampleCount)
    const selectionEpoch = everything ? epoch : this.#kept.epoch
    this.#leftOut = this.#isScored(epoch) ? all.filter((index) => !keptSet.includes(index)) : []
    // In ascending order from rank to rank.
    const scoring = ranks.map((_, rank) => this.#leftOut.filter((_, i) => i % worldSize === rank))
    return {
      epoch,
      reason,
      selectionEpoch,
      keptCount: keptSet.length,
      saving,
      keptSet,
      probabilities: this.#probabilities,
      weights: everything ? undefined : this.#kept.weights,
      learningRateFactor: this.#learningRateFactor(epoch, reason),
      order,
      ranks,
      scoring,
      digest: digest(order),
    }
  }

  /**
   * One report of the epoch planned last, of what was trained on or of what was left out and scored. losses: f32 values, one a sample; one in all where they are
   * those of batches. metrics: f32 values of each, one a sample.
   */
  report(sampleIndices, losses, metrics = {}) {
    const { alpha, initial } = this.#spec.epsilonGreedy ?? this.#spec.ucb ?? this.#spec.backlog ?? {}
    const isBatch = this.#spec.scoreSource === 'SCORE_SOURCE_BATCH_LOSS'
    this.#progress.reports += 1
    const taken = []
    sampleIndices.forEach((index, at) => {
      const reported = losses[isBatch ? 0 : at]
      const sample = this.#samples[index]
      const isRepeat = this.#observed.has(index)
      const brought = Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, values[at]]))
      if (!isRepeat) Object.assign(sample.metrics, onlyFinite(brought))
      if (!Number.isFinite(reported)) {
        this.#progress.nonFinite += 1
      } else if (isRepeat) {
        this.#progress.repeats += 1
      } else {
        this.#observed.add(index)
        this.#progress.observations += 1
        if (this.#leftOut.includes(index)) this.#progress.scored += 1
        const loss = isBatch ? this.#batchLoss(sample, reported) : reported
        sample.statistic = observe(sample.statistic, loss, alpha ?? 0.8, initial)
        sample.last = loss
        const trained = !this.#leftOut.includes(index)
        const observation = { epoch: this.#progress.epochsPlanned - 1, loss, metrics: brought, trained }
        sample.observations.push(observation)
        taken.push(observation)
      }
    })
    const reportMean = fround(taken.reduce((sum, { loss }) => sum + loss, 0) / taken.length)
    for (const observation of taken) observation.reportMean = reportMean
  }

  #select(epoch, drawn) {
    const { set, weights } = isWeightedDraw(this.#spec) ? this.#follow(epoch, drawn) : this.#choose(epoch)
    for (const index of set) this.#samples[index].timesKept += 1
    this.#selections += 1
    this.#kept = { set, weights: this.#settings.weights ? this.#capped(weights) : undefined, epoch }
  }

  #choose(epoch) {
    const { totalEpochs, seed = 0 } = this.#spec
    return rules[policyOf(this.#spec)]({
      ...this.#input(epoch),
      pruneRate: pruneRateAt(this.#spec, epoch),
      epoch,
      totalEpochs,
      selectionPeriod: this.#settings.selectionPeriod,
      selections: this.#selections,
      open: (purpose, at = epoch) => stream(seed, at, PURPOSE[purpose]),
    })
  }

  #follow(epoch, drawn) {
    const policy = policyOf(this.#spec)
    const { k, settings, samples } = this.#input(epoch)
    this.#probabilities = inclusion(sizesOf[policy](settings, samples), k, uniformShareOf[policy](settings))
    const set = drawn ?? this.#certain()
    return { set, weights: set.map((index) => fround(1 / this.#probabilities[index])) }
  }

  #certain() {
    if (this.#probabilities.some((probability) => probability > 0 && probability < 1)) {
      throw new Error('what is kept depends on a draw')
    }
    return [...this.#probabilities.keys()].filter((index) => this.#probabilities[index] === 1)
  }

  #input(epoch) {
    const N = this.#spec.sampleCount
    return {
      N,
      k: share(1 - pruneRateAt(this.#spec, epoch), N),
      settings: this.#spec[policyOf(this.#spec)],
      samples: this.#samples.map(({ statistic, ...sample }) => ({ ...statistic, ...sample })),
    }
  }

  #capped(weights) {
    return weights?.map((weight) => fround(Math.min(weight, this.#spec.weightCap ?? Infinity)))
  }

  /** Whether what the epoch leaves out is scored: before each selection, where the run has it so. */
  #isScored(epoch) {
    if (!this.#settings.scoreLeftOut || epoch + 1 === this.#spec.totalEpochs) return false
    return reasonAt(this.#spec, epoch + 1) === 'SELECTED'
  }

  #learningRateFactor(epoch, reason) {
    if (reason !== 'SELECTED' || !this.#spec.kakurenbo) return 1
    return 1 / (1 - hiddenShare(pruneRateAt(this.#spec, epoch), epoch, this.#spec.totalEpochs))
  }

  #batchLoss({ statistic, last }, mean) {
    return batchLoss(statistic.seen ? last : undefined, mean, this.#spec.batchLossMomentum ?? 0.7)
  }
}

const onlyFinite = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)))

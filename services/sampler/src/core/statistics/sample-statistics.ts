import type { FieldViolation } from '../field-violation.js'
import { MAX_F32 } from '../max-f32.js'
import { bitBytes, type KeptSet } from '../selection/kept-set.js'
import { type ColumnLayout, columnLayout } from './column-layout.js'
import type { ObservedReport, OwnColumns } from './own-columns.js'
import { StatisticsCapture } from './statistics-capture.js'
import { allocateMemory, columnsIn, emptyColumns, type StatisticsColumns } from './statistics-columns.js'
import type { MetricValues, ObservedCounts, StatisticsKernel } from './statistics-kernel.js'

/** How the moving statistics of a sample start: from its first loss, or from mean 0 and variance 0. */
export type InitialStatistics = 'first_loss' | 'zero'

/** Settings of the moving statistics. alpha, in (0, 1], is the weight of a new loss. */
export interface StatisticsSettings {
  readonly alpha: number
  readonly initial: InitialStatistics
}

const fround = Math.fround

/** The paper's weight of a new loss, as in both re-implementations. */
export const defaultStatistics: StatisticsSettings = { alpha: 0.8, initial: 'first_loss' }

/** alpha must stay above 0 when it is rounded to f32. */
export function checkStatistics({ alpha }: StatisticsSettings): FieldViolation[] {
  if (alpha <= 1 && fround(alpha) > 0) return []
  return [{ field: 'alpha', description: `alpha is ${alpha}; it must be above 0 and at most 1` }]
}

/** What becomes of a loss besides the moving statistics. */
export interface ObservationRules {
  /** Names of the metrics, in the order of their columns. */
  readonly metrics: readonly string[]
  /** Columns after those of the metrics. */
  readonly own?: OwnColumns | undefined
  /**
   * The losses are means of whole batches: a sample is then taken to have a old + (1 - a) loss, where old is what it was taken to have before, and the loss itself at first.
   * Source: BLS, CVPR 2026 (arXiv 2604.04681).
   */
  readonly batchLossMomentum?: number | undefined
}

/** Where a report comes from. */
export interface ReportContext {
  readonly epoch: number
  /** Whether a sample was trained on, and not only scored. Absent: all were. */
  readonly isTrained?: ((index: number) => boolean) | undefined
}

const MAX_COUNT = 0xffff

/** Samples from which on a run has a memory of its own: below it, a thread of its own would not be worth the way to it. */
export const IN_MEMORY_FROM = 0x8000

/**
 * Moving mean and variance of each sample's loss, and what else is known of it. Every step is rounded to f32, so that any
 * implementation that does the same agrees bit for bit.
 *
 * For a loss l: d = l - mean; variance = (1 - alpha) variance + alpha d^2; mean = (1 - alpha) mean + alpha l.
 * Source: two public re-implementations of Raju, Daruwalla, Lipasti 2021 (arXiv 2111.12621); see docs/reference/selection.md.
 */
export class SampleStatistics implements StatisticsColumns {
  /** What changes the statistics of large runs made from now on, bit for bit as this class does; undefined: this class itself. */
  static kernelFor:
    | ((memory: WebAssembly.Memory, layout: ColumnLayout, settings: StatisticsSettings) => StatisticsKernel)
    | undefined

  /** Where the columns lie, by their layout, for who works on them from another thread; undefined for a small run. */
  readonly memory: WebAssembly.Memory | undefined
  readonly mean: Float32Array
  readonly variance: Float32Array
  readonly lastLoss: Float32Array
  readonly observations: Uint16Array
  readonly timesKept: Uint16Array
  readonly metrics: readonly Float32Array[]
  /** A bit for each sample, the lowest first: whether it has its loss of the epoch. */
  readonly observed: Uint8Array
  readonly #kernel: StatisticsKernel | undefined
  #observedCount = 0
  /** No sample was kept more often. */
  #mostKept = 0
  readonly #alpha: number
  readonly #beta: number
  readonly #startsAtFirstLoss: boolean
  readonly #rules: ObservationRules
  /** Weights of the old and the new value where losses are means of batches. */
  readonly #batchLoss: { readonly old: number; readonly new: number } | undefined
  /** Captures that are being read; what they have not read yet is copied for them before it changes. */
  #captures: readonly StatisticsCapture[] = []

  constructor(sampleCount: number, settings: StatisticsSettings, rules: ObservationRules = { metrics: [] }) {
    const metricCount = rules.metrics.length + (rules.own?.names.length ?? 0)
    this.memory = sampleCount < IN_MEMORY_FROM ? undefined : allocateMemory(sampleCount, metricCount)
    const layout = columnLayout(sampleCount, metricCount)
    const columns = this.memory ? columnsIn(this.memory, layout) : emptyColumns(sampleCount, metricCount)
    const bits = bitBytes(sampleCount)
    this.observed = this.memory ? new Uint8Array(this.memory.buffer, layout.observed, bits) : new Uint8Array(bits)
    this.#kernel = this.memory && SampleStatistics.kernelFor?.(this.memory, layout, settings)
    this.mean = columns.mean
    this.variance = columns.variance
    this.lastLoss = columns.lastLoss
    this.observations = columns.observations
    this.timesKept = columns.timesKept
    this.metrics = columns.metrics
    this.#alpha = fround(settings.alpha)
    this.#beta = fround(1 - this.#alpha)
    this.#startsAtFirstLoss = settings.initial === 'first_loss'
    this.#rules = rules
    const momentum = rules.batchLossMomentum === undefined ? undefined : fround(rules.batchLossMomentum)
    this.#batchLoss = momentum === undefined ? undefined : { old: momentum, new: fround(1 - momentum) }
  }

  get sampleCount(): number {
    return this.mean.length
  }

  /** Samples that got their loss of the epoch since it began or was resumed. */
  get observedCount(): number {
    return this.#observedCount
  }

  /** Begins an epoch: no sample has its loss. */
  beginEpoch(): void {
    this.observed.fill(0)
    this.#observedCount = 0
  }

  /** Takes over the bits of an epoch that goes on. They are not counted: nobody has checked which samples they are of. */
  resumeEpoch(observed: Uint8Array): void {
    this.observed.set(observed)
  }

  /** To be called where timesKept was restored: the greatest of its values. */
  resumeSelections(mostKept: number): void {
    this.#mostKept = mostKept
  }

  /**
   * Takes in the losses of a report: finite ones, of each sample the first of the epoch, and the finite values of metrics of samples that had none
   * before. The caller has checked that every index is below N and that all arrays have the same length.
   */
  observeReport(
    indices: Uint32Array,
    losses: Float32Array,
    metrics: readonly MetricValues[] = [],
    context: ReportContext = { epoch: 0 },
  ): ObservedCounts {
    const isPlain = metrics.length === 0 && !this.#rules.own?.observe && !this.#batchLoss && !context.isTrained
    const counts =
      this.#kernel && isPlain
        ? this.#observeByKernel(indices, losses)
        : this.#observeEach(indices, losses, metrics, context)
    this.#observedCount += counts.observations
    return counts
  }

  /** Takes in one finite loss. The caller has checked that index < sampleCount. */
  observe(index: number, loss: number): void {
    if (this.#captures.length > 0) this.#preserveReported(index)
    const seen = this.observations[index] as number
    const l = this.#taken(index, fround(loss))
    if (seen < MAX_COUNT) this.observations[index] = seen + 1
    this.lastLoss[index] = l
    if (seen === 0 && this.#startsAtFirstLoss) {
      this.mean[index] = l
      return
    }
    const mean = this.mean[index] as number
    const d = fround(l - mean)
    const oldPart = fround(this.#beta * (this.variance[index] as number))
    const variance = fround(oldPart + fround(this.#alpha * fround(d * d)))
    // A wild loss must not make the variance infinite: a score could then be NaN. The mean cannot overflow.
    this.variance[index] = Math.min(variance, MAX_F32)
    this.mean[index] = fround(fround(this.#beta * mean) + fround(this.#alpha * l))
  }

  /** Takes in a finite value of a metric, by its place. The caller has checked that index < sampleCount. */
  observeMetric(index: number, metric: number, value: number): void {
    if (this.#captures.length > 0) this.#preserveReported(index)
    const column = this.metrics[metric] as Float32Array
    column[index] = value
  }

  /** Notes that a selection kept these samples. */
  countKept(keptSet: KeptSet): void {
    for (const capture of this.#captures) capture.beforeSelection(keptSet, this.#mostKept >= MAX_COUNT)
    this.#mostKept++
    if (this.#kernel) this.#kernel.countKept(keptSet)
    else countEach(this.timesKept, keptSet)
  }

  /** The statistics as they are now, to be read while they go on changing. Costs memory until it is released. */
  capture(): StatisticsCapture {
    const capture: StatisticsCapture = new StatisticsCapture(this, () => {
      this.#captures = this.#captures.filter((other) => other !== capture)
    })
    this.#captures = [...this.#captures, capture]
    return capture
  }

  #observeByKernel(indices: Uint32Array, losses: Float32Array): ObservedCounts {
    if (this.#captures.length > 0) for (const index of indices) this.#preserveReported(index)
    return (this.#kernel as StatisticsKernel).observe(indices, losses)
  }

  #observeEach(
    indices: Uint32Array,
    losses: Float32Array,
    metrics: readonly MetricValues[],
    context: ReportContext,
  ): ObservedCounts {
    const { observed } = this
    const own = this.#rules.own?.observe && this.#ownRule(this.#rules.own, indices, losses, metrics, context)
    const counts = { observations: 0, nonFinite: 0, repeats: 0, scored: 0 }
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] as number
      const loss = losses[i] as number
      const byte = observed[index >>> 3] as number
      const bit = 1 << (index & 7)
      const isFiniteLoss = Number.isFinite(loss)
      if (!isFiniteLoss) counts.nonFinite++
      if (byte & bit) {
        if (isFiniteLoss) counts.repeats++
        continue
      }
      if (isFiniteLoss) {
        observed[index >>> 3] = byte | bit
        const previousLoss = this.lastLoss[index] as number
        this.observe(index, loss)
        own?.(i, previousLoss)
        counts.observations++
        if (context.isTrained?.(index) === false) counts.scored++
      }
      for (const { metric, values } of metrics) {
        const value = values[i] as number
        if (Number.isFinite(value)) this.observeMetric(index, metric, value)
      }
    }
    return counts
  }

  /** What the policy's own columns do with the i-th loss of a report, which has just been taken in. */
  #ownRule(
    own: OwnColumns,
    indices: Uint32Array,
    losses: Float32Array,
    metrics: readonly MetricValues[],
    { epoch, isTrained }: ReportContext,
  ): (i: number, previousLoss: number) => void {
    const names = this.#rules.metrics
    const columns = this.metrics.slice(names.length)
    const ofReport = own.ofReport?.(columns, this.#takenOf(indices, losses)) ?? 0
    const valuesOf = new Map(metrics.map(({ metric, values }) => [names[metric], values]))
    return (i, previousLoss) => {
      const index = indices[i] as number
      own.observe?.(columns, {
        index,
        loss: this.lastLoss[index] as number,
        previousLoss,
        observations: this.observations[index] as number,
        epoch,
        isTrained: isTrained?.(index) ?? true,
        ofReport,
        metric(name) {
          const value = valuesOf.get(name)?.[i] as number | undefined
          return Number.isFinite(value) ? (value as number) : Number.NaN
        },
      })
      // As with the variance: a column holds no infinity.
      for (const column of columns) column[index] = Math.min(Math.max(column[index] as number, -MAX_F32), MAX_F32)
    }
  }

  /** Those of a report's losses that will be taken in. */
  #takenOf(indices: Uint32Array, losses: Float32Array): ObservedReport {
    const seen = new Set<number>()
    const taken = [...indices.keys()].filter((i) => {
      const index = indices[i] as number
      const isTaken = Number.isFinite(losses[i]) && !this.#hasLoss(index) && !seen.has(index)
      if (isTaken) seen.add(index)
      return isTaken
    })
    return {
      indices: Uint32Array.from(taken, (i) => indices[i] as number),
      losses: Float32Array.from(taken, (i) => this.#taken(indices[i] as number, losses[i] as number)),
    }
  }

  #hasLoss(index: number): boolean {
    return (((this.observed[index >>> 3] as number) >>> (index & 7)) & 1) === 1
  }

  /** The loss that a sample is taken to have, by one that was reported. */
  #taken(index: number, loss: number): number {
    const weights = this.#batchLoss
    if (!weights || this.observations[index] === 0) return loss
    return fround(fround(weights.old * (this.lastLoss[index] as number)) + fround(weights.new * loss))
  }

  #preserveReported(index: number): void {
    for (const capture of this.#captures) capture.beforeReport(index)
  }
}

function countEach(timesKept: Uint16Array, { bits }: KeptSet): void {
  for (let byte = 0; byte < bits.length; byte++) {
    for (let rest = bits[byte] as number; rest !== 0; rest &= rest - 1) {
      const index = byte * 8 + (31 - Math.clz32(rest & -rest))
      const times = timesKept[index] as number
      if (times < MAX_COUNT) timesKept[index] = times + 1
    }
  }
}

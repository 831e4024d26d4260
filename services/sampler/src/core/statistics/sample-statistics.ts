import type { FieldViolation } from '../field-violation.js'
import type { KeptSet } from '../selection/kept-set.js'
import { columnLayout } from './column-layout.js'
import { StatisticsCapture } from './statistics-capture.js'
import { allocateMemory, columnsIn, emptyColumns, type StatisticsColumns } from './statistics-columns.js'

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

const MAX_F32 = 3.4028234663852886e38
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
  /** Where the columns lie, by their layout, for who works on them from another thread; undefined for a small run. */
  readonly memory: WebAssembly.Memory | undefined
  readonly mean: Float32Array
  readonly variance: Float32Array
  readonly lastLoss: Float32Array
  readonly observations: Uint16Array
  readonly timesKept: Uint16Array
  readonly metrics: readonly Float32Array[]
  readonly #alpha: number
  readonly #beta: number
  readonly #startsAtFirstLoss: boolean
  /** Captures that are being read; what they have not read yet is copied for them before it changes. */
  #captures: readonly StatisticsCapture[] = []

  constructor(sampleCount: number, settings: StatisticsSettings, metricCount = 0) {
    this.memory = sampleCount < IN_MEMORY_FROM ? undefined : allocateMemory(sampleCount, metricCount)
    const columns = this.memory
      ? columnsIn(this.memory, columnLayout(sampleCount, metricCount))
      : emptyColumns(sampleCount, metricCount)
    this.mean = columns.mean
    this.variance = columns.variance
    this.lastLoss = columns.lastLoss
    this.observations = columns.observations
    this.timesKept = columns.timesKept
    this.metrics = columns.metrics
    this.#alpha = fround(settings.alpha)
    this.#beta = fround(1 - this.#alpha)
    this.#startsAtFirstLoss = settings.initial === 'first_loss'
  }

  get sampleCount(): number {
    return this.mean.length
  }

  /** Takes in one finite loss. The caller has checked that index < sampleCount. */
  observe(index: number, loss: number): void {
    if (this.#captures.length > 0) this.#preserveReported(index)
    const l = fround(loss)
    const seen = this.observations[index] as number
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
  countKept({ bits }: KeptSet): void {
    const { timesKept } = this
    for (let byte = 0; byte < bits.length; byte++) {
      for (let rest = bits[byte] as number; rest !== 0; rest &= rest - 1) {
        const index = byte * 8 + (31 - Math.clz32(rest & -rest))
        if (this.#captures.length > 0) this.#preserveKept(index)
        const times = timesKept[index] as number
        if (times < MAX_COUNT) timesKept[index] = times + 1
      }
    }
  }

  /** The statistics as they are now, to be read while they go on changing. Costs memory until it is released. */
  capture(): StatisticsCapture {
    const capture: StatisticsCapture = new StatisticsCapture(this, () => {
      this.#captures = this.#captures.filter((other) => other !== capture)
    })
    this.#captures = [...this.#captures, capture]
    return capture
  }

  #preserveReported(index: number): void {
    for (const capture of this.#captures) capture.beforeReport(index)
  }

  #preserveKept(index: number): void {
    for (const capture of this.#captures) capture.beforeKept(index)
  }
}

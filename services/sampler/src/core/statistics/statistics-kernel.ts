import type { KeptSet } from '../selection/kept-set.js'

/** The values of one metric, by its place among the metrics of the run. */
export interface MetricValues {
  readonly metric: number
  readonly values: Float32Array
}

/** What became of the losses of a report. */
export interface ObservedCounts {
  readonly observations: number
  /** Losses that are NaN or infinite. */
  readonly nonFinite: number
  /** Finite losses of samples that had theirs of the epoch. */
  readonly repeats: number
  /** Of the observations, those of samples that were only scored. */
  readonly scored: number
}

/** Changes the statistics of many samples at once, in the memory of a run; where there is one, `SampleStatistics` leaves that to it. */
export interface StatisticsKernel {
  /** The indices are below N; as many losses as indices. */
  observe(indices: Uint32Array, losses: Float32Array): ObservedCounts
  countKept(keptSet: KeptSet): void
}

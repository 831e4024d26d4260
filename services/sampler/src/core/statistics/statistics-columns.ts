/** What is kept of each sample, a struct of arrays of the same length: 16 bytes a sample, and 4 for each metric. */
export interface StatisticsColumns {
  readonly mean: Float32Array
  readonly variance: Float32Array
  /** The loss observed last; 0 for a sample that is unseen. */
  readonly lastLoss: Float32Array
  /** Losses observed, at most one an epoch; stays at 65,535 once there. 0 = unseen. */
  readonly observations: Uint16Array
  /** Selections that kept the sample; stays at 65,535 once there. */
  readonly timesKept: Uint16Array
  /** The finite value of each metric that was reported last, a column a metric; NaN where none was. */
  readonly metrics: readonly Float32Array[]
}

/** Columns of samples of which nothing is known. */
export function emptyColumns(sampleCount: number, metricCount: number): StatisticsColumns {
  return {
    mean: new Float32Array(sampleCount),
    variance: new Float32Array(sampleCount),
    lastLoss: new Float32Array(sampleCount),
    observations: new Uint16Array(sampleCount),
    timesKept: new Uint16Array(sampleCount),
    metrics: Array.from({ length: metricCount }, () => new Float32Array(sampleCount).fill(Number.NaN)),
  }
}

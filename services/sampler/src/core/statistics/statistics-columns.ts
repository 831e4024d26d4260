/** What is kept of each sample, a struct of arrays of the same length: 16 bytes a sample. */
export interface StatisticsColumns {
  readonly mean: Float32Array
  readonly variance: Float32Array
  /** The loss observed last; 0 for a sample that is unseen. */
  readonly lastLoss: Float32Array
  /** Losses observed, at most one an epoch; stays at 65,535 once there. 0 = unseen. */
  readonly observations: Uint16Array
  /** Selections that kept the sample; stays at 65,535 once there. */
  readonly timesKept: Uint16Array
}

/** Columns of zeros. */
export function emptyColumns(sampleCount: number): StatisticsColumns {
  return {
    mean: new Float32Array(sampleCount),
    variance: new Float32Array(sampleCount),
    lastLoss: new Float32Array(sampleCount),
    observations: new Uint16Array(sampleCount),
    timesKept: new Uint16Array(sampleCount),
  }
}

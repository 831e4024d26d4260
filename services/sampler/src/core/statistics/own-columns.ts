/** A sample whose loss has just been taken in. */
export interface ObservedSample {
  readonly index: number
  /** Its new loss, finite. */
  readonly loss: number
  /** The one before; 0 for the first. */
  readonly previousLoss: number
  /** Losses observed, this one included. */
  readonly observations: number
  /** The epoch of the report. */
  readonly epoch: number
  /** Whether it was trained on; otherwise it was left out, and only scored. */
  readonly isTrained: boolean
  /** What `ofReport` made of the report; 0 where there is none. */
  readonly ofReport: number
  /** A metric in the same report; NaN where it has none, or none that is finite. */
  metric(name: string): number
}

/** The losses of a report that are taken in: finite, and of each sample the first of its epoch. */
export interface ObservedReport {
  readonly indices: Uint32Array
  readonly losses: Float32Array
}

/**
 * Columns that a policy keeps for itself: f32, NaN until it writes. They must not depend on the order in which the reports of an epoch come,
 * since that differs from run to run where there are several ranks.
 */
export interface OwnColumns {
  readonly names: readonly string[]
  /** A number for all samples of a report, made before any of them is taken in. */
  ofReport?(columns: readonly Float32Array[], report: ObservedReport): number
  /** Changes the sample's values. Absent: they stay what they were at the start. */
  observe?(columns: readonly Float32Array[], sample: ObservedSample): void
}

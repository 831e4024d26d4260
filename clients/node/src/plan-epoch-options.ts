/** Settings of one {@link Run.planEpoch}. */
export interface PlanEpochOptions {
  /** This data-parallel worker, 0 to worldSize - 1. Default 0. */
  readonly rank?: number
  /** Number of data-parallel workers in this epoch. Default 1. */
  readonly worldSize?: number
  /**
   * Position of this rank's plan at which batches begin: to go on in mid-epoch after a restart. Default 0. Reports go on after the last one that
   * the sampler has, whatever this is; it does not count samples again that had their loss in this epoch.
   */
  readonly startPosition?: number
  /**
   * Reports that this rank sent for the epoch before; the plan waits for them. Default: what this object has counted, 0 if it was not
   * there. Needed only after a restart between two epochs, and only if the reports of the epoch before may still be on their way.
   */
  readonly lastSequence?: number
  /**
   * How long to wait for the plan's header in milliseconds, connection trouble included. It comes when all ranks have asked.
   * Above 0, Infinity allowed. Default 600000 (10 minutes). The time that the trainer takes to read the batches does not count.
   */
  readonly timeoutMs?: number
}

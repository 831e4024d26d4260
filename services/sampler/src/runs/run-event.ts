import type { PlanReason } from '../core/plans/epoch-rule.js'
import type { KeptSet } from '../core/selection/kept-set.js'
import type { SelectionSummary } from '../core/selection/selection-summary.js'
import type { MetricValues } from '../core/statistics/statistics-kernel.js'
import type { RunSpec } from './run-spec.js'

/** How a run comes to be; its record begins with a snapshot of that, not with an event. `time`, here and of every event: milliseconds since 1970, the sampler's clock. */
export interface RunCreated {
  readonly time: number
  readonly runId: string
  readonly spec: RunSpec
}

/** The plan of the next epoch was made. Holds the decision itself, so that a replay does not depend on how policies are computed. */
export interface EpochPlanned {
  readonly type: 'epoch_planned'
  readonly time: number
  readonly epoch: number
  readonly worldSize: number
  readonly reason: PlanReason
  /** The new kept set, and what came of its selection: with reason SELECTED. */
  readonly selected?: { readonly keptSet: KeptSet; readonly summary: SelectionSummary }
}

/** A checked report: every index is in the rank's plan, all arrays have the same length. */
export interface LossesReported {
  readonly type: 'losses_reported'
  readonly time: number
  readonly epoch: number
  readonly rank: number
  readonly sequence: number
  readonly indices: Uint32Array
  readonly losses: Float32Array
  /** By rising place; absent where the report has none. */
  readonly metrics?: readonly MetricValues[]
}

/** The run takes no more plans and no new reports. */
export interface RunFinished {
  readonly type: 'run_finished'
  readonly time: number
}

/** All that can happen to a run: it is what its events make of its last snapshot. */
export type RunEvent = EpochPlanned | LossesReported | RunFinished

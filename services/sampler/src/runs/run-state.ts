import type { PlanReason } from '../core/plans/epoch-rule.js'
import type { KeptSet } from '../core/selection/kept-set.js'
import type { SelectionSummary } from '../core/selection/selection-summary.js'
import type { SampleStatistics } from '../core/statistics/sample-statistics.js'
import type { StatisticsCapture } from '../core/statistics/statistics-capture.js'
import type { RunProgress } from './run.js'
import type { RunSpec } from './run-spec.js'

/** A selection that was held. */
export interface HeldSelection extends SelectionSummary {
  readonly epoch: number
  readonly keptCount: number
}

/** Most selections that a run remembers, its last ones. */
export const MAX_SELECTIONS = 256

/** What a run knows of itself beside its settings and its arrays. */
export interface RunState {
  readonly progress: Readonly<RunProgress>
  readonly updateTime: number
  readonly isFinished: boolean
  /** The run's life: 1, and one more after each rewind. */
  readonly generation: number
  /** The epoch that the last rewind went back to. */
  readonly rewoundTo: number | undefined
  /** Epoch of the last selection. */
  readonly selectionEpoch: number
  /** The last MAX_SELECTIONS selections, in their order. */
  readonly selections: readonly HeldSelection[]
  /** The plan made last; the order follows from the kept set and the seed. */
  readonly plan: { readonly epoch: number; readonly reason: PlanReason; readonly worldSize: number } | undefined
}

/** The state of a run that was created at `time` and of which nothing was asked since. */
export function newState(time: number): RunState {
  return {
    progress: {
      epochsPlanned: 0,
      samplesPlanned: 0,
      selections: 0,
      reports: 0,
      observations: 0,
      nonFinite: 0,
      repeats: 0,
      scored: 0,
      samplesPlannedElsewhere: 0,
    },
    updateTime: time,
    isFinished: false,
    generation: 1,
    rewoundTo: undefined,
    selectionEpoch: 0,
    selections: [],
    plan: undefined,
  }
}

/** The arrays of a run, besides the statistics. */
interface RunArrays {
  /** Sequence of the last report of each rank in the planned epoch. */
  readonly sequences: Uint32Array
  /** The same of the epoch before it. */
  readonly previousSequences: Uint32Array
  /** The kept set of the last selection, empty before the first. */
  readonly keptSet: KeptSet
}

/** A run's whole state at one moment, to be read while the run goes on. */
export interface RunCapture extends RunArrays {
  readonly runId: string
  readonly spec: RunSpec
  readonly createTime: number
  readonly state: RunState
  readonly statistics: StatisticsCapture
  /** A bit a sample, the lowest first: whether it has its loss of the planned epoch. */
  readonly observed: Uint8Array
}

/** What a run is restored from. The arrays are the run's from then on. */
export interface RestoredState extends RunArrays {
  readonly state: RunState
  readonly statistics: SampleStatistics
}

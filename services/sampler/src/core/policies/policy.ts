import type { FieldViolation } from '../field-violation.js'
import type { Purpose, RandomStream } from '../random/random-stream.js'
import { defaultStatistics, type SampleStatistics, type StatisticsSettings } from '../statistics/sample-statistics.js'

/** What a policy may look at when it chooses. */
export interface SelectionInput {
  readonly statistics: SampleStatistics
  /** Number of samples to keep, 0 to N. */
  readonly keptCount: number
  /** Epoch that the selection is for. */
  readonly epoch: number
  /** The run's random stream for a purpose and an epoch. */
  random(purpose: Purpose, epoch: number): RandomStream
}

/** A rule that chooses: a pure function of statistics, its settings and keyed random streams. */
export interface Policy<Settings> {
  /** Settings where the run gives none. */
  readonly defaults: Settings
  /** What is wrong with settings; fields are named without a prefix. */
  check(settings: Settings): FieldViolation[]
  /** How the run's moving statistics are kept under this policy. */
  statistics(settings: Settings): StatisticsSettings
  /** The kept set: `input.keptCount` distinct indices in ascending order. */
  select(input: SelectionInput, settings: Settings): Uint32Array
}

/** The parts that policies without settings share. Their statistics are kept all the same, to be looked at. */
export const noSettings = {
  defaults: {},
  check: () => [],
  statistics: () => defaultStatistics,
} as const

import type { FieldViolation } from '../field-violation.js'
import type { KeptSetBuilder } from '../selection/kept-set-builder.js'
import { defaultStatistics, type StatisticsSettings } from '../statistics/sample-statistics.js'

/** What a policy chooses with. */
export interface SelectionInput {
  /** An empty set, of which the policy says what is added. */
  readonly builder: KeptSetBuilder
  /** Number of samples to keep, 0 to N. */
  readonly keptCount: number
  /** Epoch that the selection is for. */
  readonly epoch: number
  /** The run's, u64. */
  readonly seed: bigint
}

/** A rule that chooses: a pure function of statistics, its settings and keyed random streams, told in the steps of a builder. */
export interface Policy<Settings> {
  /** Settings where the run gives none. */
  readonly defaults: Settings
  /** What is wrong with settings; fields are named without a prefix. */
  check(settings: Settings): FieldViolation[]
  /** How the run's moving statistics are kept under this policy. */
  statistics(settings: Settings): StatisticsSettings
  /** Adds `input.keptCount` samples to the builder. */
  select(input: SelectionInput, settings: Settings): void
}

/** The parts that policies without settings share. Their statistics are kept all the same, to be looked at. */
export const noSettings = {
  defaults: {},
  check: () => [],
  statistics: () => defaultStatistics,
} as const

import type { FieldViolation } from '../field-violation.js'
import type { KeptSetBuilder } from '../selection/kept-set-builder.js'
import type { OwnColumns } from '../statistics/own-columns.js'
import { defaultStatistics, type StatisticsSettings } from '../statistics/sample-statistics.js'

/** What a policy chooses with. */
export interface SelectionInput {
  /** An empty set, of which the policy says what is added, and what is known of the samples. */
  readonly builder: KeptSetBuilder
  /** A column by its name: a metric of the run, or one of the policy's own. NaN where there is no value yet. */
  column(name: string): Float32Array
  /** The prune rate at this epoch. */
  readonly pruneRate: number
  /** Number of samples to keep by the prune rate, 0 to N. */
  readonly keptCount: number
  /** Epoch that the selection is for. */
  readonly epoch: number
  /** Epochs that the training will have; undefined: not known. */
  readonly totalEpochs: number | undefined
  /** Epochs from one selection to the next, at least 1. */
  readonly selectionPeriod: number
  /** Selections held before this one. */
  readonly selections: number
  /** The run's, u64. */
  readonly seed: bigint
}

/** Settings of a run that a policy has defaults of its own for. Undefined: as everywhere. */
export interface RunDefaults {
  readonly selectionPeriod?: number
  readonly warmupEpochs?: number
  readonly tailEpochs?: number
  readonly weights?: 'off' | 'on'
  readonly scoreLeftOut?: boolean
}

/** A rule that chooses: a pure function of statistics, its settings and keyed random streams, told in the steps of a builder. */
export interface Policy<Settings> {
  /** Settings where the run gives none. */
  readonly defaults: Settings
  /** What is wrong with settings; fields are named without a prefix. */
  check(settings: Settings): FieldViolation[]
  /** How the run's moving statistics are kept under this policy. */
  statistics(settings: Settings): StatisticsSettings
  /** Adds samples to the builder: `input.keptCount`, unless `countIsOwn`. */
  select(input: SelectionInput, settings: Settings): void
  /** Whether the policy itself decides how many it keeps at this prune rate. Absent: never. */
  countIsOwn?(pruneRate: number): boolean
  /** What is wrong with a prune rate, as a text that follows its name and value. Absent: nothing is. */
  checkPruneRate?(pruneRate: number, settings: Settings): string | undefined
  /** Names of metrics that it needs reported. Absent: none. */
  metrics?(settings: Settings): readonly string[]
  /** Columns that it keeps for itself. Absent: none. */
  ownColumns?(settings: Settings): OwnColumns | undefined
  /** What the learning rate of an epoch with this prune rate is to be multiplied by. Absent: 1. */
  learningRateFactor?(pruneRate: number, epoch: number, totalEpochs: number | undefined): number
  /** Epochs that the warm-up must have at least. Absent: 0. */
  leastWarmupEpochs?(settings: Settings): number
  /** Absent: none. */
  runDefaults?(settings: Settings, totalEpochs: number | undefined): RunDefaults
}

/** The parts that policies without settings share. Their statistics are kept all the same, to be looked at. */
export const noSettings = {
  defaults: {},
  check: () => [],
  statistics: () => defaultStatistics,
} as const

/** What `checkPruneRate` says where a policy has no use for one. */
export const mustBeZero = (does: string) => (pruneRate: number) =>
  pruneRate === 0 ? undefined : `${does}; leave it at 0, or take another policy`

import type { Policy } from './policies.js'

/** A prune rate that holds from an epoch on. */
export interface PruneRateChange {
  /** First epoch, from 0, at which the rate holds. */
  readonly fromEpoch: number
  /** Range [0, 1), must keep at least one sample. */
  readonly pruneRate: number
}

/** What a run is created with. Settings cannot change once the run exists. */
export interface CreateRunOptions {
  /** 1 to 128 characters out of A-Z, a-z, 0-9, '.', '_' and '-', the first one a letter or a digit. Default: a random one. */
  readonly runId?: string
  /** Samples in the data set, N; indices are 0 to N - 1. At least 1. */
  readonly sampleCount: number
  /** The rule that chooses the kept set. */
  readonly policy: Policy
  /** Share of the data set left out, p: floor((1 - p) N) samples are kept. Range [0, 1). Default 0. */
  readonly pruneRate?: number
  /** Changes of the prune rate, `fromEpoch` rising; before the first entry `pruneRate` holds. Default none. */
  readonly pruneRateSchedule?: readonly PruneRateChange[]
  /** Epochs that the training will have; a plan past them is refused. Needed by `tailEpochs`. Default: not known. */
  readonly epochs?: number
  /** Key of every random stream of the run, an unsigned 64-bit number: the same settings and reports give the same plans. Default 0. */
  readonly seed?: bigint | number
  /** Epochs from one selection to the next. At least 1. Default: max(1, round(epochs / 20)), or 10 where `epochs` is not given. */
  readonly selectionPeriod?: number
  /** First epochs that train on everything. Default 1. */
  readonly warmupEpochs?: number
  /** Last epochs that train on everything. Default 0. */
  readonly tailEpochs?: number
  /** How ranks get equal lengths: 'pad' repeats a rank's own first sample, 'drop' leaves out the last positions. Default 'pad'. */
  readonly shardMode?: ShardMode
  /** Each rank's length is brought to a multiple of this, for example batch size x accumulation steps. At least 1. Default 1. */
  readonly positionMultiple?: number
  /** A loss that is NaN or infinite: 'ignore' counts it and changes nothing, 'reject' refuses its report. Default 'ignore'. */
  readonly nonFinite?: NonFiniteMode
  /**
   * Names of further values that `plan.report()` takes for each sample beside the loss: a to z first, then up to 31 more of a-z, 0-9 and '_'; at most 8.
   * The sampler keeps the last finite value of each; they do not influence selection. Default none.
   */
  readonly metrics?: readonly string[]
}

/** How ranks get equal lengths. */
export type ShardMode = 'pad' | 'drop'

/** What a run does with a loss that is NaN or infinite. */
export type NonFiniteMode = 'ignore' | 'reject'

/** The settings of a run as the sampler holds them, its defaults filled in. */
export interface RunSettings {
  readonly sampleCount: number
  readonly policy: Policy
  readonly pruneRate: number
  readonly pruneRateSchedule: readonly PruneRateChange[]
  /** Epochs that the training will have; undefined = not known. */
  readonly epochs: number | undefined
  readonly seed: bigint
  readonly selectionPeriod: number
  readonly warmupEpochs: number
  readonly tailEpochs: number
  readonly shardMode: ShardMode
  readonly positionMultiple: number
  readonly nonFinite: NonFiniteMode
  /** Names of the further values that reports can have, in the order of their columns. */
  readonly metrics: readonly string[]
}

/** Counts of what a run has done. */
export interface RunProgress {
  /** Epochs that have a plan. */
  readonly epochsPlanned: number
  /** Sum over the planned epochs of the samples kept. */
  readonly samplesPlanned: number
  /** Reports applied; a repeated report is not counted. */
  readonly reports: number
  /** Finite losses that entered the statistics: at most one a sample and epoch. */
  readonly observations: number
  /** Losses that were NaN or infinite and changed nothing. */
  readonly nonFinite: number
  /** Further finite losses of a sample in an epoch that already had one; they changed nothing. */
  readonly repeats: number
  /** Share of the data set left out so far: 1 - samplesPlanned / (epochsPlanned x sampleCount). 0 before the first plan. */
  readonly saving: number
  /** Selections made: epochs whose plan has the reason 'selected'. */
  readonly selections: number
}

/** A run as the sampler holds it. */
export interface RunInfo {
  readonly runId: string
  /** 'active' takes plans and reports; 'finished' can be read and deleted only. */
  readonly state: 'active' | 'finished'
  /** The epoch that has no plan yet: 0 for a new run. */
  readonly nextEpoch: number
  /** The run's life: 1 for a new run, one more after each rewind. */
  readonly generation: number
  /** Epochs to whose start `rewind` can go back, rising; the first one is 0, the last one is `nextEpoch`. */
  readonly epochStarts: readonly number[]
  readonly settings: RunSettings
  readonly progress: RunProgress
  /** By the sampler's clock. */
  readonly createTime: Date
  /** When the run last changed, by the sampler's clock. */
  readonly updateTime: Date
}

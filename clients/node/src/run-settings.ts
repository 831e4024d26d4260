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
  /** Epochs from one selection to the next. At least 1. Default: what the policy says, or else max(1, round(epochs / 20)), or 10 where `epochs` is not given. */
  readonly selectionPeriod?: number
  /** First epochs that train on everything. Default: what the policy says, or else 1. */
  readonly warmupEpochs?: number
  /** Last epochs that train on everything. Default: what the policy says, or else 0. */
  readonly tailEpochs?: number
  /** How ranks get equal lengths: 'pad' repeats a rank's own first sample, 'drop' leaves out the last positions. Default 'pad'. */
  readonly shardMode?: ShardMode
  /** Each rank's length is brought to a multiple of this, for example batch size x accumulation steps. At least 1. Default 1. */
  readonly positionMultiple?: number
  /** A loss that is NaN or infinite: 'ignore' counts it and changes nothing, 'reject' refuses its report. Default 'ignore'. */
  readonly nonFinite?: NonFiniteMode
  /**
   * Names of further values that `plan.report()` takes for each sample beside the loss: a to z first, then up to 31 more of a-z, 0-9 and '_'; at most 8.
   * The sampler keeps the last finite value of each. Those that the policy needs are added where they lack; the others do not influence selection. Default none.
   */
  readonly metrics?: readonly string[]
  /**
   * Whether plans have weights for the losses, `batch.weights`: 1 / the probability with which a sample was kept, and 1 where that was certain.
   * Default: what the policy says, or else 'off'.
   */
  readonly weights?: WeightsMode
  /** Greatest weight: a larger one is this. At least 1. Default: none is too large. Only with weights. */
  readonly weightCap?: number
  /** What `plan.report()` takes: the loss of each sample, or the mean loss of the batch alone. Default 'loss'. */
  readonly scoreSource?: ScoreSource
  /** Weight a of a sample's old value with 'batch_loss': s = a s + (1 - a) mean, its first is the mean. Range [0, 1). Default 0.7. */
  readonly batchLossMomentum?: number
  /** Whether the samples that a plan leaves out shall be scored before the next selection: see `plan.scoring()`. Default: what the policy says, or else false. */
  readonly scoreLeftOut?: boolean
}

/** Whether plans have weights for the losses. */
export type WeightsMode = 'off' | 'on'

/** What the losses of a report are: each sample's own, or the mean of the batch for all of them (BLS, CVPR 2026, arXiv 2604.04681). */
export type ScoreSource = 'loss' | 'batch_loss'

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
  readonly weights: WeightsMode
  /** Greatest weight; undefined = none is too large. */
  readonly weightCap: number | undefined
  readonly scoreSource: ScoreSource
  /** Weight of a sample's old value; undefined where losses are each sample's own. */
  readonly batchLossMomentum: number | undefined
  readonly scoreLeftOut: boolean
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
  /**
   * Share of the data set left out so far: 1 - (samplesPlanned + samplesPlannedElsewhere) / (epochsPlanned x sampleCount). 0 before the first plan. Below 1,
   * and below 0 where scores from other runs cost more than was saved.
   */
  readonly saving: number
  /** Selections made: epochs whose plan has the reason 'selected'. */
  readonly selections: number
  /** Losses of left-out samples, which had a forward pass alone. They are no part of the saving: a forward pass is about a third of a training step. */
  readonly scored: number
  /** Samples that the runs of `scoresFrom` were planned in the epochs that they observed: the cost of static scores that were made elsewhere. */
  readonly samplesPlannedElsewhere: number
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

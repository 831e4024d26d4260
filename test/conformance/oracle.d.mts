/** RunSpec as proto3 JSON, as far as it decides a plan: unset fields are absent. */
export interface SpecJson {
  sampleCount: number
  seed?: string
  pruneRate?: number
  pruneRateSchedule?: { fromEpoch: number; pruneRate: number }[]
  totalEpochs?: number
  selectionPeriod?: number
  warmupEpochs?: number
  tailEpochs?: number
  shardMode?: 'SHARD_MODE_PAD' | 'SHARD_MODE_DROP'
  positionMultiple?: number
  metrics?: string[]
  weights?: 'WEIGHTS_MODE_OFF' | 'WEIGHTS_MODE_ON'
  weightCap?: number
  scoreSource?: 'SCORE_SOURCE_LOSS' | 'SCORE_SOURCE_BATCH_LOSS'
  batchLossMomentum?: number
  scoreLeftOut?: boolean
  full?: Record<string, never>
  staticRandom?: Record<string, never>
  random?: Record<string, never>
  epsilonGreedy?: { epsilon?: number; alpha?: number; initial?: InitialJson }
  ucb?: { c?: number; alpha?: number; initial?: InitialJson }
  orderDp?: { poolRate?: number }
  infoBatch?: { r?: number }
  rs2?: Record<string, never>
  importance?: { exponent?: number; uniformShare?: number }
  selectiveBackprop?: { exponent?: number }
  customScore?: { draw?: boolean; uniformShare?: number }
  seta?: { dropRate?: number; groups?: number; window?: number }
  repb?: { rho?: number }
  kakurenbo?: { confidence?: number }
  ies?: { tau?: number }
  staticScore?: { metric: StaticMetricJson; observeEpochs?: number }
  backlog?: { alpha?: number; initial?: InitialJson }
}

type InitialJson = 'INITIAL_STATISTICS_FIRST_LOSS' | 'INITIAL_STATISTICS_ZERO'
type StaticMetricJson = 'STATIC_METRIC_FORGETTING' | 'STATIC_METRIC_EL2N' | 'STATIC_METRIC_GRAND'

export type Reason = 'WARMUP' | 'SELECTED' | 'REUSED' | 'TAIL'

/** Statistics of one sample; mean and variance are f32 values, both 0 while it is unseen. */
export interface Statistic {
  mean: number
  variance: number
  seen: boolean
}

export interface Progress {
  epochsPlanned: number
  samplesPlanned: number
  reports: number
  observations: number
  nonFinite: number
  repeats: number
  /** Losses reported of samples that were left out; only where the run has them scored. */
  scored?: number
}

interface OraclePlan {
  epoch: number
  reason: Reason
  selectionEpoch: number
  keptCount: number
  saving: number
  /** Ascending. */
  keptSet: number[]
  /** With which each sample was kept at the last selection, where that is a draw in proportion to sizes. */
  probabilities: number[]
  /** Weight of each of the kept set, f32 values; undefined: all are 1. */
  weights: number[] | undefined
  learningRateFactor: number
  order: number[]
  /** Positions of each rank. */
  ranks: number[][]
  /** What each rank scores after it has trained: what is left out, in ascending order from rank to rank. */
  scoring: number[][]
  /** SHA-256 of the order, hex. */
  digest: string
}

export function observe(statistic: Statistic, loss: number, alpha: number, initial?: InitialJson): Statistic
export function reasonAt(spec: SpecJson, epoch: number): Reason
export function digest(indices: readonly number[]): string
export function shard(spec: SpecJson, order: readonly number[], worldSize: number): number[][]
export function batchLoss(last: number | undefined, mean: number, momentum: number): number

export class OracleRun {
  constructor(spec: SpecJson)
  get statistics(): Statistic[]
  get progress(): Progress
  planEpoch(worldSize: number, drawn?: readonly number[]): OraclePlan
  report(
    sampleIndices: readonly number[],
    losses: readonly number[],
    metrics?: Readonly<Record<string, readonly number[]>>,
  ): void
}

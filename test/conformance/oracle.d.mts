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
  full?: Record<string, never>
  staticRandom?: Record<string, never>
  random?: Record<string, never>
  epsilonGreedy?: { epsilon?: number; alpha?: number; initial?: InitialJson }
  ucb?: { c?: number; alpha?: number; initial?: InitialJson }
  orderDp?: { poolRate?: number }
}

type InitialJson = 'INITIAL_STATISTICS_FIRST_LOSS' | 'INITIAL_STATISTICS_ZERO'

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
}

interface OraclePlan {
  epoch: number
  reason: Reason
  selectionEpoch: number
  keptCount: number
  saving: number
  /** Ascending. */
  keptSet: number[]
  order: number[]
  /** Positions of each rank. */
  ranks: number[][]
  /** SHA-256 of the order, hex. */
  digest: string
}

type Words = Iterator<bigint>

export const PURPOSE: { order: 1; draw: 2; ties: 3; explore: 4 }
export function share(x: number, n: number): number
export function philox4x32(
  counter: readonly [bigint, bigint, bigint, bigint],
  key: readonly [bigint, bigint],
): [bigint, bigint, bigint, bigint]
export function stream(seed: bigint | number | string, epoch: number, purpose: number): Generator<bigint, never>
export function below(words: Words, n: number): number
export function choose<Item>(words: Words, count: number, list: readonly Item[]): Item[]
export function shuffle<Item>(words: Words, list: readonly Item[], splitAbove?: number): Item[]
export function observe(statistic: Statistic, loss: number, alpha: number, initial?: InitialJson): Statistic
export function top(k: number, scores: readonly number[], seen: readonly boolean[], ties: Words): number[]
export function selectionPeriod(spec: SpecJson): number
export function reasonAt(spec: SpecJson, epoch: number): Reason
export function digest(indices: readonly number[]): string
export function shard(spec: SpecJson, order: readonly number[], worldSize: number): number[][]

export class OracleRun {
  constructor(spec: SpecJson)
  get statistics(): Statistic[]
  get progress(): Progress
  planEpoch(worldSize: number): OraclePlan
  report(sampleIndices: readonly number[], losses: readonly number[]): void
}

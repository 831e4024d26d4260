export type { Batch } from './batches.js'
export { Client, type ConnectOptions, connect, type ImportRunOptions } from './client.js'
export {
  AbortedError,
  DataLossError,
  DeadlineError,
  type FieldViolation,
  InternalError,
  InvalidArgumentError,
  KeepsetError,
  OutOfRangeError,
  PermissionDeniedError,
  PreconditionError,
  QueueFullError,
  ResourceExhaustedError,
  RunExistsError,
  RunNotFoundError,
  type StatusName,
  UnauthenticatedError,
  UnavailableError,
} from './errors.js'
export type { Plan, PlanReason, ScoringOptions } from './plan.js'
export type { PlanEpochOptions } from './plan-epoch-options.js'
export type { MetricValues, PlanPositions } from './plan-positions.js'
export {
  backlog,
  type CustomScoreOptions,
  customScore,
  type EpsilonGreedyOptions,
  epsilonGreedy,
  full,
  type IesOptions,
  type ImportanceOptions,
  type InfoBatchOptions,
  type InitialStatistics,
  ies,
  importance,
  infoBatch,
  type KakurenboOptions,
  kakurenbo,
  type MovingStatisticsOptions,
  type OrderDpOptions,
  orderDp,
  type Policy,
  type RepbOptions,
  random,
  repb,
  rs2,
  type SelectiveBackpropOptions,
  type SetaOptions,
  type StaticMetric,
  type StaticScoreOptions,
  selectiveBackprop,
  seta,
  staticRandom,
  staticScore,
  type UcbOptions,
  ucb,
} from './policies.js'
export type { Run } from './run.js'
export type {
  CreateRunOptions,
  NonFiniteMode,
  PruneRateChange,
  RunInfo,
  RunProgress,
  RunSettings,
  ScoreSource,
  ShardMode,
  WeightsMode,
} from './run-settings.js'
export type { Selection } from './selections.js'
export type { StatisticsPart } from './statistics.js'

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
export type { MetricValues, Plan, PlanReason } from './plan.js'
export type { PlanEpochOptions } from './plan-epoch-options.js'
export {
  type EpsilonGreedyOptions,
  epsilonGreedy,
  full,
  type InitialStatistics,
  type MovingStatisticsOptions,
  type OrderDpOptions,
  orderDp,
  type Policy,
  random,
  staticRandom,
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
  ShardMode,
} from './run-settings.js'
export type { StatisticsPart } from './statistics.js'

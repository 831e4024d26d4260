export type { Backend, BackendName } from './backends/backend.js'
export { type BackendChoice, loadBackend } from './backends/load-backend.js'
export { runTrainCommand } from './command/train-command.js'
export { DataError } from './data/data-error.js'
export { type DataSet, type ImageSet, takeFirst } from './data/data-set.js'
export { bundledDataDirectory, readDataSet } from './data/read-data-set.js'
export {
  type Classifier,
  type ClassifierOptions,
  type ClassifierState,
  createClassifier,
  type Scores,
} from './models/classifier.js'
export { COLUMN_NAMES, type ColumnName, type Columns } from './models/columns.js'
export type { ModelName } from './models/models.js'
export { type Checkpoint, CheckpointError, loadCheckpoint } from './training/checkpoint.js'
export type {
  Environment,
  EpochRecord,
  MetricsRecord,
  ResumeRecord,
  StartRecord,
  SummaryRecord,
} from './training/metrics.js'
export type { PolicyName, PolicySetting, PolicySettings } from './training/policy-settings.js'
export { BarProgress, LineProgress } from './training/print-progress.js'
export type { SelectionsSummary } from './training/selections-summary.js'
export type { TrainingSettings } from './training/settings.js'
export { StoppedError } from './training/stop.js'
export type { Seconds } from './training/stopwatch.js'
export { type TrainHooks, type TrainResult, train } from './training/train.js'
export { OptionError, type TrainOptions } from './training/train-options.js'
export type { TrainProgress } from './training/train-progress.js'

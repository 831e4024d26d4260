import { randomBytes } from 'node:crypto'
import { connect } from '@keepset/client'
import { loadBackend } from '../backends/load-backend.js'
import { BatchMaker } from '../data/batch-maker.js'
import { type DataSet, takeFirst } from '../data/data-set.js'
import { readDataSet } from '../data/read-data-set.js'
import { createClassifier } from '../models/classifier.js'
import { openCheckpoint } from './checkpoint.js'
import { columnsOfRun } from './columns-of-run.js'
import { describeEnvironment } from './environment.js'
import { type EpochRecord, MetricsLog, type ResumeRecord, type StartRecord, type SummaryRecord } from './metrics.js'
import { openRun } from './open-run.js'
import { samplerSettings } from './sampler-settings.js'
import { settingsOf } from './settings.js'
import { throwIfStopped, unlessStopped } from './stop.js'
import { longWait, Stopwatch } from './stopwatch.js'
import { trainEpochs } from './train-epochs.js'
import { type ResolvedTrainOptions, resolveTrainOptions, type TrainOptions } from './train-options.js'
import type { TrainProgress } from './train-progress.js'

/** What goes with a training and does not change its outcome. */
export interface TrainHooks {
  /** Is told how the training gets on. */
  readonly progress?: TrainProgress
  /** Asks the training to stop after its batch or, after the last batch of an epoch, at the epoch's end. */
  readonly signal?: AbortSignal
}

/** What a training came to. */
export interface TrainResult {
  /** What was trained, and on what. */
  readonly start: StartRecord
  /** Every epoch, those before a resumption too. */
  readonly epochs: readonly EpochRecord[]
  readonly summary: SummaryRecord
}

/**
 * Trains a classifier on what a sampler plans, and reports every loss to it, with the columns that were asked for.
 *
 * @throws {OptionError} if an option is out of range or does not fit the others, or the policy needs a column that the model does not have
 * @throws {DataError} if the data set cannot be read
 * @throws {CheckpointError} if the checkpoint is damaged, in the way, of another training, or the sampler no longer has its run or the start of its epoch
 * @throws {StoppedError} if the signal asked to stop; the last checkpoint stays good
 * @throws {KeepsetError} if the sampler cannot be reached or refuses a call
 */
export async function train(input: TrainOptions = {}, hooks: TrainHooks = {}): Promise<TrainResult> {
  const { progress = {}, signal } = hooks
  const options = resolveTrainOptions(input)
  const data = readData(options)
  const settings = settingsOf(options, data)
  const checkpoint = openCheckpoint(options, settings)
  const backend = await loadBackend(options.backend)
  throwIfStopped(signal)

  const { model, seed, weightDecay } = options
  const { inputShape, classes } = data
  const classifier = createClassifier(backend, { model, inputShape, classes, seed, weightDecay })
  const client = connect(options.address, { callTimeoutMs: options.connectTimeout * 1000 })
  try {
    if (checkpoint) classifier.setState(checkpoint.state)
    const environment = describeEnvironment(backend)
    const time = new Date().toISOString()
    const start: StartRecord = checkpoint?.records.find((record) => record.type === 'start') ?? {
      type: 'start',
      time,
      runId: options.runId ?? `${model}-${options.policy}-${randomBytes(4).toString('hex')}`,
      settings,
      parameterCount: classifier.parameterCount,
      trainCount: data.train.count,
      testCount: data.test.count,
      ...environment,
    }
    const resume: ResumeRecord | undefined = checkpoint && {
      type: 'resume',
      time,
      epoch: checkpoint.nextEpoch,
      ...environment,
    }
    const secondsBefore = checkpoint?.records.findLast((record) => record.type === 'epoch')?.secondsSoFar
    const stopwatch = new Stopwatch(secondsBefore, () => progress.samplerAwaited?.(options.address, longWait))
    const run = await stopwatch.measure('sampler', () =>
      unlessStopped(signal, openRun(client, samplerSettings(options, start.runId, data.train.count), checkpoint)),
    )
    const info = await stopwatch.measure('sampler', () => unlessStopped(signal, run.info()))
    const columns = columnsOfRun(info.settings.metrics, options)
    // Not before the sampler has answered: it overwrites the file of an earlier training.
    const log = new MetricsLog(options.metrics, checkpoint?.records)
    log.append(resume ?? start)
    progress.started?.(start, resume)

    const maker = new BatchMaker(data)
    const summary = await trainEpochs({
      run,
      settings,
      columns,
      classifier,
      maker,
      stopwatch,
      progress,
      signal,
      log,
      firstEpoch: checkpoint?.nextEpoch ?? 0,
      connectTimeout: options.connectTimeout,
      testCount: data.test.count,
      checkpointDirectory: options.checkpoint,
    })
    return { start, epochs: log.epochs, summary }
  } finally {
    client.close()
    classifier.dispose()
  }
}

function readData(options: ResolvedTrainOptions): DataSet {
  const data = readDataSet(options.data)
  return options.limit === undefined ? data : { ...data, train: takeFirst(data.train, options.limit) }
}

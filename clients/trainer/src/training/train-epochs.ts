import type { Plan, Run } from '@keepset/client'
import { type Checkpoint, saveCheckpoint } from './checkpoint.js'
import { type Evaluation, evaluate } from './evaluate.js'
import type { EpochRecord, MetricsLog, SummaryRecord } from './metrics.js'
import { throwIfStopped, unlessStopped } from './stop.js'
import { type Seconds, secondsBetween } from './stopwatch.js'
import { type EpochContext, type EpochOutcome, trainEpoch } from './train-epoch.js'

/** What the epochs of a run are trained with. */
export interface RunContext extends EpochContext {
  readonly run: Run
  readonly log: MetricsLog
  /** Seconds that the sampler has to acknowledge an epoch's reports once the training is to stop. */
  readonly connectTimeout: number
  /** Images in the test set. */
  readonly testCount: number
  /** Where to go on; undefined = at epoch 0. */
  readonly checkpoint: Checkpoint | undefined
  /** Where to keep checkpoints; undefined = nowhere. */
  readonly checkpointDirectory: string | undefined
}

/**
 * Trains and evaluates the epochs that are left, then finishes the run.
 *
 * A checkpoint is written when every report of its epoch is acknowledged and before the next plan is asked for: so the
 * sampler never is more than one plan ahead of a checkpoint, and that plan it gives again.
 *
 * An epoch whose batches are all trained on is finished, down to its checkpoint, before the training stops.
 *
 * @throws {StoppedError} if the signal asks to stop
 */
export async function trainEpochs(context: RunContext): Promise<SummaryRecord> {
  const { run, settings, classifier, maker, stopwatch, progress, signal, log, checkpoint } = context
  const waitForSampler = <T>(work: () => Promise<T>, grace?: number) =>
    stopwatch.measure('sampler', () => unlessStopped(signal, work(), grace))

  for (let epoch = checkpoint?.nextEpoch ?? 0; epoch < settings.epochs; epoch++) {
    throwIfStopped(signal)
    const before = stopwatch.read()
    const resumed = epoch === checkpoint?.nextEpoch
    const plan = await waitForSampler(() =>
      run.planEpoch(epoch, resumed ? { lastSequence: checkpoint.lastSequence } : {}),
    )
    progress.epochPlanned?.(epoch, settings.epochs, plan)
    const outcome = await trainEpoch(context, epoch, plan)
    // Before the evaluation, so that no report's way to the sampler hides behind it.
    await waitForSampler(() => run.flush(), context.connectTimeout)
    const evaluation = await stopwatch.measure('evaluate', () => evaluate(classifier, maker, context.testCount))
    const record = makeRecord(plan, outcome, evaluation, log.epochs.at(-1), before, stopwatch.read())
    log.append(record)
    if (context.checkpointDirectory !== undefined) {
      saveCheckpoint(context.checkpointDirectory, {
        runId: run.runId,
        settings,
        nextEpoch: epoch + 1,
        lastSequence: outcome.batchCount,
        records: log.records,
        state: await classifier.getState(),
      })
    }
    progress.epochFinished?.(record)
  }

  const { progress: counts } = await waitForSampler(() => run.finish())
  const last = log.epochs.at(-1)
  const summary: SummaryRecord = {
    type: 'summary',
    runId: run.runId,
    epochs: settings.epochs,
    testLoss: last?.testLoss ?? null,
    testAccuracy: last?.testAccuracy ?? 0,
    samplesTrained: last?.samplesTrained ?? 0,
    saving: counts.saving,
    seconds: stopwatch.read(),
  }
  log.append(summary)
  progress.finished?.(summary)
  return summary
}

function makeRecord(
  plan: Plan,
  outcome: EpochOutcome,
  evaluation: Evaluation,
  previous: EpochRecord | undefined,
  before: Seconds,
  after: Seconds,
): EpochRecord {
  const seconds = secondsBetween(before, after)
  return {
    type: 'epoch',
    epoch: plan.epoch,
    loss: finiteOrNull(outcome.loss),
    testLoss: finiteOrNull(evaluation.loss),
    testAccuracy: evaluation.accuracy,
    keptCount: plan.keptCount,
    positionCount: plan.positionCount,
    keptShare: plan.keptCount / plan.sampleCount,
    saving: plan.saving,
    selectionEpoch: plan.selectionEpoch,
    reason: plan.reason,
    digest: plan.digest,
    imagesPerSecond: plan.positionCount / (seconds.train + seconds.sampler),
    samplesTrained: (previous?.samplesTrained ?? 0) + plan.positionCount,
    seconds,
    secondsSoFar: after,
  }
}

function finiteOrNull(loss: number): number | null {
  return Number.isFinite(loss) ? loss : null
}

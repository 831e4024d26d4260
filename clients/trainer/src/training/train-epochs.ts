import type { Plan, Run } from '@keepset/client'
import { saveCheckpoint } from './checkpoint.js'
import { type Evaluation, evaluate } from './evaluate.js'
import type { EpochRecord, MetricsLog, SummaryRecord } from './metrics.js'
import { scoreLeftOut } from './score-left-out.js'
import { summariseSelections } from './selections-summary.js'
import { throwIfStopped, unlessStopped } from './stop.js'
import { type Seconds, secondsBetween } from './stopwatch.js'
import { type EpochContext, trainEpoch } from './train-epoch.js'

/** What the epochs of a run are trained with. */
export interface RunContext extends EpochContext {
  readonly run: Run
  readonly log: MetricsLog
  /** Seconds that the sampler has to acknowledge an epoch's reports once the training is to stop. */
  readonly connectTimeout: number
  /** Images in the test set. */
  readonly testCount: number
  /** First epoch to train. */
  readonly firstEpoch: number
  /** Where to keep checkpoints; undefined = nowhere. */
  readonly checkpointDirectory: string | undefined
}

/**
 * Trains and evaluates the epochs that are left, then finishes the run.
 *
 * A checkpoint is written before the first plan is asked for, so that a training that is cut off in its first epoch finds its run again, and
 * after each epoch when all of its reports are acknowledged. So the sampler never is more than one plan ahead of a checkpoint, and has the start of
 * that epoch.
 *
 * An epoch whose batches are all trained on, and scored where the run has that, is finished, down to its checkpoint, before the training stops.
 *
 * @throws {StoppedError} if the signal asks to stop
 */
export async function trainEpochs(context: RunContext): Promise<SummaryRecord> {
  const { run, settings, classifier, maker, stopwatch, progress, signal, log, checkpointDirectory } = context
  const waitForSampler = <T>(work: () => Promise<T>, grace?: number) =>
    stopwatch.measure('sampler', () => unlessStopped(signal, work(), grace))
  const keepCheckpoint = async (nextEpoch: number) => {
    if (checkpointDirectory === undefined) return
    const { runId } = run
    const state = await classifier.getState()
    saveCheckpoint(checkpointDirectory, { runId, settings, nextEpoch, records: log.records, state })
  }

  if (context.firstEpoch === 0) await keepCheckpoint(0)
  for (let epoch = context.firstEpoch; epoch < settings.epochs; epoch++) {
    throwIfStopped(signal)
    const before = stopwatch.read()
    const plan = await waitForSampler(() => run.planEpoch(epoch))
    progress.epochPlanned?.(epoch, settings.epochs, plan)
    const loss = await trainEpoch(context, epoch, plan)
    const trained = stopwatch.read()
    await scoreLeftOut(context, plan)
    // Before the evaluation, so that no report's way to the sampler hides behind it.
    await waitForSampler(() => run.flush(), context.connectTimeout)
    const evaluation = await stopwatch.measure('evaluate', () => evaluate(classifier, maker, context.testCount))
    const record = makeRecord(plan, loss, evaluation, log.epochs.at(-1), {
      before,
      trained,
      after: stopwatch.read(),
    })
    log.append(record)
    await keepCheckpoint(epoch + 1)
    progress.epochFinished?.(record)
  }

  const selections = await waitForSampler(() => summariseSelections(run.selections()))
  const { progress: counts } = await waitForSampler(() => run.finish())
  const last = log.epochs.at(-1)
  const summary: SummaryRecord = {
    type: 'summary',
    runId: run.runId,
    epochs: settings.epochs,
    testLoss: last?.testLoss ?? null,
    testAccuracy: last?.testAccuracy ?? 0,
    samplesTrained: last?.samplesTrained ?? 0,
    samplesScored: last?.samplesScored ?? 0,
    saving: counts.saving,
    selections,
    seconds: stopwatch.read(),
  }
  log.append(summary)
  progress.finished?.(summary)
  return summary
}

/** Of the stopwatch in an epoch. */
interface Readings {
  readonly before: Seconds
  /** When the last batch was handed over, before anything was scored. */
  readonly trained: Seconds
  readonly after: Seconds
}

function makeRecord(
  plan: Plan,
  loss: number,
  evaluation: Evaluation,
  previous: EpochRecord | undefined,
  { before, trained, after }: Readings,
): EpochRecord {
  const training = secondsBetween(before, trained)
  return {
    type: 'epoch',
    epoch: plan.epoch,
    loss: finiteOrNull(loss),
    testLoss: finiteOrNull(evaluation.loss),
    testAccuracy: evaluation.accuracy,
    keptCount: plan.keptCount,
    positionCount: plan.positionCount,
    scoreCount: plan.scoreCount,
    keptShare: plan.keptCount / plan.sampleCount,
    saving: plan.saving,
    selectionEpoch: plan.selectionEpoch,
    reason: plan.reason,
    hasWeights: plan.hasWeights,
    learningRateFactor: plan.learningRateFactor,
    digest: plan.digest,
    imagesPerSecond: plan.positionCount / (training.train + training.sampler),
    samplesTrained: (previous?.samplesTrained ?? 0) + plan.positionCount,
    samplesScored: (previous?.samplesScored ?? 0) + plan.scoreCount,
    seconds: secondsBetween(before, after),
    secondsSoFar: after,
  }
}

function finiteOrNull(loss: number): number | null {
  return Number.isFinite(loss) ? loss : null
}

import type { FinishRunResponse, GetRunResponse, RewindRunResponse } from '@keepset/proto'
import { checkU32 } from './checks.js'
import type { Connection } from './connection.js'
import { AbortedError, PreconditionError } from './errors.js'
import { runFromWire } from './mapping.js'
import type { Plan } from './plan.js'
import type { PlanEpochOptions } from './plan-epoch-options.js'
import { RunLife } from './run-life.js'
import type { RunInfo, ScoreSource } from './run-settings.js'
import { readSelections, type Selection } from './selections.js'

/** What is to be known of a run to serve it. */
interface RunToServe extends Pick<RunInfo, 'runId' | 'generation'> {
  readonly settings: Pick<RunInfo['settings'], 'scoreSource'>
}

/**
 * A run, as a trainer uses it. One object may serve several ranks at once. Its reports go out in the background; when they can no longer
 * be delivered (one was refused, or the sampler was out of reach for too long), the run has failed: the typed error is thrown by the next
 * call of {@link planEpoch}, {@link flush}, {@link room}, {@link finish}, `plan.report()` and by the next step of `plan.batches()`, and by all after it.
 */
export class Run {
  readonly runId: string
  readonly #connection: Connection
  readonly #scoreSource: ScoreSource
  #life: RunLife

  constructor(connection: Connection, { runId, generation, settings }: RunToServe) {
    const { scoreSource } = settings
    this.runId = runId
    this.#connection = connection
    this.#scoreSource = scoreSource
    this.#life = new RunLife(connection, { runId, generation, scoreSource })
  }

  /** The run's life that this object is in: every plan that it asks for and every report that it sends states it. {@link rewind} begins another. */
  get generation(): number {
    return this.#life.generation
  }

  /**
   * Reports of this object that the sampler had already, although they were sent once only; it did not count their losses. More than 0
   * says that two workers report as the same rank. Sending again after a broken connection does not count. Begins anew with {@link rewind}.
   */
  get duplicateReports(): number {
    return this.#life.sender.duplicates
  }

  /** The run as the sampler holds it now. Reports that are still on their way are not in its counts: {@link flush} first. */
  async info(): Promise<RunInfo> {
    return fetchRun(this.#connection, this.runId)
  }

  /** What came of each selection so far, in their order; see {@link Client.selections}. */
  selections(): AsyncGenerator<Selection, void, void> {
    return readSelections(this.#connection, this.runId)
  }

  /**
   * The plan of an epoch for one rank: `run.info()`'s `nextEpoch`, or the one before to get its plan again. Waits until the reports
   * of this object are acknowledged and all ranks have asked.
   *
   * Throws {@link DeadlineError} when not all ranks asked in time, {@link AbortedError} when the run was rewound (`reason`
   * STALE_GENERATION) or another call of the same rank took the place of this one, {@link InvalidArgumentError} for an option out of its
   * range, {@link PreconditionError} for a wrong epoch or a finished run, {@link OutOfRangeError} for a start position past the end,
   * {@link UnavailableError} when the sampler stays out of reach.
   */
  async planEpoch(epoch: number, options: PlanEpochOptions = {}): Promise<Plan> {
    return this.#life.planEpoch(epoch, options)
  }

  /** Resolves when every report handed over until now is acknowledged, that is as durable as the sampler's store makes it. */
  async flush(): Promise<void> {
    await this.#life.flush()
  }

  /** Resolves when there is room for a report. For loops of your own; `plan.batches()` waits by itself. */
  async room(): Promise<void> {
    await this.#life.sender.room()
  }

  /**
   * Delivers what is left, then closes the run for all ranks: no more plans, no more reports. With several ranks, call it once, when
   * all have flushed. Repeating it does no harm.
   */
  async finish(): Promise<RunInfo> {
    const life = this.#life
    if (!life.isFinished) await life.flush()
    const { run } = await this.#connection.call<FinishRunResponse>((...rest) =>
      this.#connection.runs.finishRun({ runId: this.runId, generation: life.generation }, ...rest),
    )
    life.isFinished = true
    life.close(
      new PreconditionError('FAILED_PRECONDITION', `Run '${this.runId}' is finished: create another one.`, {
        reason: 'RUN_FINISHED',
      }),
    )
    return runFromWire(run)
  }

  /**
   * Takes the run back to the start of `epoch`, one of `run.info()`'s `epochStarts`, for a trainer that restarts from a checkpoint: the
   * run forgets what came after, and takes plans again even if it was finished. Reports that are still on their way are dropped, counts begin
   * anew, and the plans made so far take no more reports: go on with `planEpoch(epoch)`. A run that has failed is sound again.
   *
   * It states the {@link generation} that it ends, so that it can be repeated where an answer was lost, and by all ranks that share this
   * object: the run is rewound once. Every other trainer of the run gets {@link AbortedError} with the reason STALE_GENERATION from then on,
   * and so does this one, when it was another that rewound. So of ranks in several processes one rewinds, and the others attach after that.
   * {@link PreconditionError} where the start of that epoch is not kept; then nothing has changed.
   */
  async rewind(epoch: number): Promise<RunInfo> {
    const info = await rewindRun(this.#connection, this.runId, epoch, this.#life.generation)
    // Of several ranks that share this object, the first has begun the new life.
    if (info.generation !== this.#life.generation) this.#begin(info.generation, epoch)
    return info
  }

  #begin(generation: number, epoch: number): void {
    const before = this.#life
    this.#life = new RunLife(this.#connection, { runId: this.runId, generation, scoreSource: this.#scoreSource })
    before.close(
      new AbortedError(
        'ABORTED',
        `Run '${this.runId}' was rewound to epoch ${epoch}: plans from before take no more reports. Go on with run.planEpoch(${epoch}).`,
        { reason: 'STALE_GENERATION' },
      ),
    )
  }
}

/** Reads one run. */
export async function fetchRun(connection: Connection, runId: string): Promise<RunInfo> {
  const { run } = await connection.call<GetRunResponse>((...rest) => connection.runs.getRun({ runId }, ...rest))
  return runFromWire(run)
}

/** Takes a run back to the start of an epoch. `generation` is the one that it ends; 0 = whatever it is. */
export async function rewindRun(
  connection: Connection,
  runId: string,
  epoch: number,
  generation: number,
): Promise<RunInfo> {
  const request = { runId, epoch: checkU32('epoch', epoch), generation: checkU32('generation', generation) }
  const { run } = await connection.call<RewindRunResponse>((...rest) => connection.runs.rewindRun(request, ...rest))
  return runFromWire(run)
}

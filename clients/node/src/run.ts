import type { FinishRunResponse, GetRunResponse, PlanEpochRequest } from '@keepset/proto'
import { checkTime, checkU32 } from './checks.js'
import type { Connection } from './connection.js'
import { PreconditionError } from './errors.js'
import { runFromWire } from './mapping.js'
import { pack } from './packed.js'
import { Plan } from './plan.js'
import { type OpenPlan, openPlan, readPlan } from './plan-stream.js'
import { ReportSender } from './report-sender.js'
import type { RunInfo } from './run-settings.js'
import { Sequences } from './sequences.js'

/** Settings of one {@link Run.planEpoch}. */
export interface PlanEpochOptions {
  /** This data-parallel worker, 0 to worldSize - 1. Default 0. */
  readonly rank?: number
  /** Number of data-parallel workers in this epoch. Default 1. */
  readonly worldSize?: number
  /** Position of this rank's plan at which batches begin: to go on in mid-epoch after a restart. Default 0. */
  readonly startPosition?: number
  /**
   * Reports of this epoch that this rank had already sent before a restart in mid-epoch; the next one goes on after them. Default 0, or
   * what this object has counted. A trainer that begins the epoch anew needs neither this nor `startPosition`: its first reports are then
   * known to the sampler, which does not count them again.
   */
  readonly reportedSequence?: number
  /**
   * Reports that this rank sent for the epoch before; the plan waits for them. Default: what this object has counted, 0 if it was not
   * there. Needed only after a restart between two epochs, and only if the reports of the epoch before may still be on their way.
   */
  readonly lastSequence?: number
  /**
   * How long to wait for the plan's header in milliseconds, connection trouble included. It comes when all ranks have asked.
   * Above 0, Infinity allowed. Default 600000 (10 minutes). The time that the trainer takes to read the batches does not count.
   */
  readonly timeoutMs?: number
}

const defaultPlanTimeoutMs = 600_000

/**
 * A run, as a trainer uses it. One object may serve several ranks at once. Its reports go out in the background; when they can no longer
 * be delivered (one was refused, or the sampler was out of reach for too long), the run has failed: the typed error is thrown by the next
 * call of {@link planEpoch}, {@link flush}, {@link room}, {@link finish}, `plan.report()` and by the next step of `plan.batches()`, and by all after it.
 */
export class Run {
  readonly runId: string
  readonly #connection: Connection
  readonly #sender: ReportSender
  readonly #sequences = new Sequences()
  /** By rank: the stream of the last plan, while nobody reads it. */
  readonly #unread = new Map<number, OpenPlan>()
  #finished = false

  constructor(connection: Connection, runId: string) {
    this.runId = runId
    this.#connection = connection
    this.#sender = new ReportSender(connection)
  }

  /**
   * Reports of this object that the sampler had already, although they were sent once only; it did not count their losses. More than 0
   * is right after a restart that begins an epoch anew with the same batches. At any other time losses are lost: two workers report
   * as the same rank, or the batches of the epoch begun anew are not those of before. Sending again after a broken connection does not count.
   */
  get duplicateReports(): number {
    return this.#sender.duplicates
  }

  /** The run as the sampler holds it now. Reports that are still on their way are not in its counts: {@link flush} first. */
  async info(): Promise<RunInfo> {
    return fetchRun(this.#connection, this.runId)
  }

  /**
   * The plan of an epoch for one rank: `run.info()`'s `nextEpoch`, or the one before to get its plan again. Waits until the reports
   * of this object are acknowledged and all ranks have asked.
   *
   * Throws {@link DeadlineError} when not all ranks asked in time, {@link AbortedError} when another call of the same rank took the
   * place of this one, {@link InvalidArgumentError} for an option out of its range, {@link PreconditionError} for a wrong epoch or a finished run,
   * {@link OutOfRangeError} for a start position past the end, {@link UnavailableError} when the sampler stays out of reach.
   */
  async planEpoch(epoch: number, options: PlanEpochOptions = {}): Promise<Plan> {
    const rank = checkU32('rank', options.rank ?? 0)
    const request: PlanEpochRequest = {
      runId: this.runId,
      epoch: checkU32('epoch', epoch),
      rank,
      worldSize: checkU32('world_size', options.worldSize ?? 1),
      lastSequence: checkU32('last_sequence', options.lastSequence ?? 0),
      startPosition: checkU32('start_position', options.startPosition ?? 0),
    }
    const reported = checkU32('reportedSequence', options.reportedSequence ?? 0)
    const timeoutMs = checkTime('timeoutMs', options.timeoutMs ?? defaultPlanTimeoutMs)
    this.#sender.queue.release(rank)
    this.#unread.get(rank)?.cancel()
    this.#unread.delete(rank)
    await this.flush()
    request.lastSequence = options.lastSequence ?? this.#sequences.ofEpochBefore(epoch, rank)
    const opened = await this.#open(request, timeoutMs)
    this.#sequences.begin(epoch, rank, reported)
    return this.#makePlan(request, opened)
  }

  /** Resolves when every report handed over until now is acknowledged, that is as durable as the sampler's store makes it. */
  async flush(): Promise<void> {
    this.#sender.signal.throwIfAborted()
    await this.#sender.flush()
  }

  /** Resolves when there is room for a report. For loops of your own; `plan.batches()` waits by itself. */
  async room(): Promise<void> {
    this.#sender.signal.throwIfAborted()
    await this.#sender.queue.room()
  }

  /**
   * Delivers what is left, then closes the run for all ranks: no more plans, no more reports. With several ranks, call it once, when
   * all have flushed. Repeating it does no harm.
   */
  async finish(): Promise<RunInfo> {
    if (!this.#finished) await this.flush()
    const { run } = await this.#connection.call<FinishRunResponse>((...rest) =>
      this.#connection.runs.finishRun({ runId: this.runId }, ...rest),
    )
    this.#finished = true
    this.#sender.close(
      new PreconditionError('FAILED_PRECONDITION', `Run '${this.runId}' is finished: create another one.`, {
        reason: 'RUN_FINISHED',
      }),
    )
    return runFromWire(run)
  }

  #open(request: PlanEpochRequest, timeoutMs: number): Promise<OpenPlan> {
    return openPlan(this.#connection, request, timeoutMs, this.#sender.signal)
  }

  /** The rank's unread stream, if it is `wanted`; it is the caller's from then on. */
  #takeUnread(rank: number, wanted: OpenPlan): OpenPlan | undefined {
    if (this.#unread.get(rank) !== wanted) return undefined
    this.#unread.delete(rank)
    return wanted
  }

  #makePlan(request: PlanEpochRequest, opened: OpenPlan): Plan {
    const { epoch, rank, startPosition } = request
    const { queue, signal } = this.#sender
    const { giveUpAfterMs } = this.#connection.settings
    this.#unread.set(rank, opened)
    const pieces = async function* (this: Run) {
      // The first reader takes the stream that brought the header; a later one opens its own.
      const plan = this.#takeUnread(rank, opened) ?? (await this.#open(request, giveUpAfterMs))
      yield* readPlan(this.#connection, request, plan, signal)
    }
    return new Plan(opened.facts, startPosition, {
      pieces: pieces.bind(this),
      keepRoom: async () => {
        signal.throwIfAborted()
        await queue.keepRoomFor(rank)
      },
      releaseRoom: () => queue.release(rank),
      report: (indices, losses) => {
        const sequence = this.#sequences.next(epoch, rank)
        this.#sender.send({
          runId: this.runId,
          epoch,
          rank,
          sequence,
          sampleIndices: pack(indices),
          losses: pack(losses),
        })
        this.#sequences.commit(rank)
      },
    })
  }
}

/** Reads one run. */
export async function fetchRun(connection: Connection, runId: string): Promise<RunInfo> {
  const { run } = await connection.call<GetRunResponse>((...rest) => connection.runs.getRun({ runId }, ...rest))
  return runFromWire(run)
}

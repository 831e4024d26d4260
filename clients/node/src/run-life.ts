import type { PlanEpochRequest } from '@keepset/proto'
import { checkTime, checkU32 } from './checks.js'
import type { Connection } from './connection.js'
import type { KeepsetError } from './errors.js'
import { Plan } from './plan.js'
import type { PlanEpochOptions } from './plan-epoch-options.js'
import { type OpenPlan, openPlan, readPlan } from './plan-stream.js'
import { ReportCopies } from './report-copies.js'
import { ReportSender } from './report-sender.js'
import { Sequences } from './sequences.js'

const defaultPlanTimeoutMs = 600_000

/** One generation of a run, as far as one {@link Run} object has part in it: its plans, and the reports that they make. A rewind begins another. */
export class RunLife {
  readonly generation: number
  readonly sender: ReportSender
  /** Whether this object has closed the run. */
  isFinished = false
  readonly #connection: Connection
  readonly #runId: string
  readonly #sequences = new Sequences()
  readonly #copies = new ReportCopies()
  /** By rank: the stream of the last plan, while nobody reads it. */
  readonly #unread = new Map<number, OpenPlan>()

  constructor(connection: Connection, runId: string, generation: number) {
    this.generation = generation
    this.sender = new ReportSender(connection)
    this.#connection = connection
    this.#runId = runId
  }

  /** See {@link Run.planEpoch}. */
  async planEpoch(epoch: number, options: PlanEpochOptions): Promise<Plan> {
    const rank = checkU32('rank', options.rank ?? 0)
    const request: PlanEpochRequest = {
      runId: this.#runId,
      epoch: checkU32('epoch', epoch),
      rank,
      worldSize: checkU32('world_size', options.worldSize ?? 1),
      lastSequence: checkU32('last_sequence', options.lastSequence ?? 0),
      startPosition: checkU32('start_position', options.startPosition ?? 0),
      generation: this.generation,
    }
    const timeoutMs = checkTime('timeoutMs', options.timeoutMs ?? defaultPlanTimeoutMs)
    this.sender.queue.release(rank)
    this.#unread.get(rank)?.cancel()
    this.#unread.delete(rank)
    await this.flush()
    request.lastSequence = options.lastSequence ?? this.#sequences.ofEpochBefore(epoch, rank)
    const opened = await this.#open(request, timeoutMs)
    this.#sequences.begin(epoch, rank, opened.facts.appliedSequence)
    return this.#makePlan(request, opened)
  }

  /** Resolves when every report handed over until now is acknowledged. */
  async flush(): Promise<void> {
    this.sender.signal.throwIfAborted()
    await this.sender.flush()
  }

  /** Ends what is under way: every later use throws `reason`. Reports and plans that are left are given up. */
  close(reason: KeepsetError): void {
    this.sender.close(reason)
  }

  #open(request: PlanEpochRequest, timeoutMs: number): Promise<OpenPlan> {
    return openPlan(this.#connection, request, timeoutMs, this.sender.signal)
  }

  /** The rank's unread stream, if it is `wanted`; it is the caller's from then on. */
  #takeUnread(rank: number, wanted: OpenPlan): OpenPlan | undefined {
    if (this.#unread.get(rank) !== wanted) return undefined
    this.#unread.delete(rank)
    return wanted
  }

  #makePlan(request: PlanEpochRequest, opened: OpenPlan): Plan {
    const { epoch, rank, startPosition, generation } = request
    const { queue, signal } = this.sender
    const origin = { runId: this.#runId, epoch, rank, generation }
    const { giveUpAfterMs } = this.#connection.settings
    this.#unread.set(rank, opened)
    const pieces = async function* (this: RunLife) {
      // The first reader takes the stream that brought the header; a later one opens its own.
      const plan = this.#takeUnread(rank, opened) ?? (await this.#open(request, giveUpAfterMs))
      yield* readPlan(this.#connection, request, plan, signal)
    }
    return new Plan(opened.facts, startPosition, {
      pieces: pieces.bind(this),
      keepRoom: () => this.sender.keepRoomFor(rank),
      releaseRoom: () => queue.release(rank),
      report: (batch) => {
        queue.check()
        const sequence = this.#sequences.next(epoch, rank)
        this.sender.send(this.#copies.copy(origin, sequence, batch))
        this.#sequences.commit(rank)
      },
    })
  }
}

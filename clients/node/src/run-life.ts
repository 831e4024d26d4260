import type { PlanEpochRequest } from '@keepset/proto'
import { checkTime, checkU32 } from './checks.js'
import type { Connection } from './connection.js'
import type { KeepsetError } from './errors.js'
import { Plan } from './plan.js'
import type { PlanEpochOptions } from './plan-epoch-options.js'
import type { PackedPiece, PositionLink } from './plan-positions.js'
import { type OpenPlan, openPlan, readPlan } from './plan-stream.js'
import { ReportCopies } from './report-copies.js'
import { ReportSender } from './report-sender.js'
import type { ScoreSource } from './run-settings.js'
import { Sequences } from './sequences.js'
import { unreadable } from './unreadable.js'

const defaultPlanTimeoutMs = 600_000

/** What tells one life of a run from others, and what its reports are. */
interface LifeFacts {
  readonly runId: string
  readonly generation: number
  readonly scoreSource: ScoreSource
}

/** One generation of a run, as far as one {@link Run} object has part in it: its plans, and the reports that they make. A rewind begins another. */
export class RunLife {
  readonly generation: number
  readonly sender: ReportSender
  /** Whether this object has closed the run. */
  isFinished = false
  readonly #connection: Connection
  readonly #runId: string
  readonly #scoreSource: ScoreSource
  readonly #sequences = new Sequences()
  readonly #copies = new ReportCopies()
  /** By rank: the stream of the last plan, while nobody reads it. */
  readonly #unread = new Map<number, OpenPlan>()

  constructor(connection: Connection, { runId, generation, scoreSource }: LifeFacts) {
    this.generation = generation
    this.sender = new ReportSender(connection)
    this.#connection = connection
    this.#runId = runId
    this.#scoreSource = scoreSource
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
      scoreOnly: false,
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
    const { rank, startPosition } = request
    const { signal } = this.sender
    const { giveUpAfterMs } = this.#connection.settings
    this.#unread.set(rank, opened)
    const pieces = async function* (this: RunLife) {
      // The first reader takes the stream that brought the header; a later one opens its own.
      const plan = this.#takeUnread(rank, opened) ?? (await this.#open(request, giveUpAfterMs))
      yield* readPlan(this.#connection, request, plan, signal)
    }
    const link = this.#linkOf(request)
    const { scoreCount } = opened.facts
    return new Plan(opened.facts, startPosition, {
      ...link,
      pieces: pieces.bind(this),
      scoring: (startPosition) => ({
        ...link,
        pieces: () => this.#readScoring({ ...request, startPosition, scoreOnly: true }, scoreCount),
      }),
    })
  }

  /** What is the same for all positions of the request's epoch and rank: their reports are one sequence. */
  #linkOf({ epoch, rank, generation }: PlanEpochRequest): Omit<PositionLink, 'pieces'> {
    const { queue } = this.sender
    const origin = { runId: this.#runId, epoch, rank, generation }
    return {
      scoreSource: this.#scoreSource,
      keepRoom: () => this.sender.keepRoomFor(rank),
      releaseRoom: () => queue.release(rank),
      report: (batch) => {
        queue.check()
        const sequence = this.#sequences.next(epoch, rank)
        this.sender.send(this.#copies.copy(origin, sequence, batch))
        this.#sequences.commit(rank)
      },
    }
  }

  /** What is to be scored, as the sampler has it: as many positions as the plan said. */
  async *#readScoring(request: PlanEpochRequest, scoreCount: number): AsyncGenerator<PackedPiece, void, void> {
    if (scoreCount === 0) return
    const opened = await this.#open(request, this.#connection.settings.giveUpAfterMs)
    const { positionCount } = opened.facts
    if (positionCount !== scoreCount) {
      opened.cancel()
      throw unreadable(`${positionCount} positions to score when the plan of epoch ${request.epoch} said ${scoreCount}`)
    }
    yield* readPlan(this.#connection, request, opened, this.sender.signal)
  }
}

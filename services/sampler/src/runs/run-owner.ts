import { ruleOfEpoch } from '../core/plans/epoch-rule.js'
import { checkGeneration, staleGeneration } from './check-generation.js'
import { checkMadePlan, checkPlanRequest, checkScoreRequest, type PlanRequest } from './check-plan-request.js'
import { checkReport, type Report, toEvent } from './check-report.js'
import { writeExport } from './export/write-export.js'
import { writeImage } from './image/write-image.js'
import type { Plan } from './plan.js'
import { PlanMaker } from './plan-maker.js'
import type { ByteStream, Clock, Planner, RunLease } from './ports.js'
import { restartedRun, rewoundRun } from './rewound-run.js'
import type { Run } from './run.js'
import { RunError } from './run-error.js'
import type { RunEvent } from './run-event.js'
import { factsOf, type RunFacts } from './run-facts.js'
import type { RunListener } from './run-listener.js'
import { RunRecord } from './run-record.js'
import type { HeldSelection, RunCapture } from './run-state.js'
import { StatisticsReading } from './statistics-reading.js'
import { isDamage, storeRefusal } from './store-refusal.js'
import { WaitingRoom } from './waiting-room.js'

/** What became of a report. */
export interface ReportAck {
  readonly duplicate: boolean
  readonly observations: number
  readonly nonFinite: number
  readonly repeats: number
}

/** What a run owner works with. */
export interface RunOwnerParts {
  readonly clock: Clock
  readonly planner: Planner
  readonly listener: RunListener
}

const DUPLICATE: ReportAck = { duplicate: true, observations: 0, nonFinite: 0, repeats: 0 }

/**
 * Decides for one run: checks a call, makes its event, records it, applies it, and answers when the record is durable.
 * An event is applied as soon as the lease has taken it, so that many can be on their way to the disk at once;
 * nothing of it is told to anyone before it is durable.
 */
export class RunOwner {
  readonly #record: RunRecord
  readonly #parts: RunOwnerParts
  readonly #planMaker: PlanMaker
  #run: Run
  #waitingRoom: WaitingRoom
  /** The last event's way to the store. */
  #appended: Promise<void> | undefined
  /** The same as a caller is told of it. */
  #durable: Promise<void> = Promise.resolve()
  /** Set while a plan is being made or the run is rewound: what would change the run waits for it. Never rejects. */
  #changing: Promise<void> | undefined
  #calls = 0
  #lastCall: number
  #closed: Error | undefined

  /** `unsaved`: weight of the events that follow the newest snapshot in the run's record. */
  constructor(run: Run, lease: RunLease, parts: RunOwnerParts, unsaved = 0) {
    this.#run = run
    this.#record = new RunRecord(lease, run, parts.listener, unsaved)
    this.#parts = parts
    this.#planMaker = new PlanMaker(run.runId, parts.planner, () => this.#assertOpen())
    this.#lastCall = parts.clock()
    this.#waitingRoom = new WaitingRoom(run)
  }

  /** The run as it is now, also what is not durable yet. */
  get run(): Run {
    return this.#run
  }

  get facts(): RunFacts {
    return factsOf(this.#run, this.#record.epochStarts)
  }

  /** Whether it decides still: not after `close`, nor after its record refused an event. */
  get isOpen(): boolean {
    return this.#closed === undefined
  }

  /** When the last call ended; undefined while one is under way. */
  get idleSince(): number | undefined {
    const isBusy = this.#calls > 0 || this.#record.isSaving || this.#changing !== undefined
    return isBusy ? undefined : this.#lastCall
  }

  /** The plan of an epoch: made once, when all ranks have asked and their reports are in. The wait ends after `waitMs`, or when `signal` aborts. */
  planEpoch(request: PlanRequest, waitMs: number, signal: AbortSignal): Promise<Plan> {
    return this.#track(async () => {
      for (let change = this.#change; change; change = this.#change) await change
      this.#assertOpen()
      checkPlanRequest(this.#run, request)
      const { plan } = this.#run
      if (plan && request.epoch === plan.epoch) {
        await this.#planMaker.reorder(plan, request.rank, this.#run)
        await this.#durable
        return plan
      }
      const answer = this.#waitingRoom.wait(request, waitMs, signal)
      this.#planIfComplete()
      return answer
    })
  }

  /** The plan of the present epoch, for a rank that is to score what it left out. */
  planScoring(request: PlanRequest): Promise<Plan> {
    return this.#track(async () => {
      for (let change = this.#change; change; change = this.#change) await change
      this.#assertOpen()
      const plan = checkScoreRequest(this.#run, request)
      await this.#durable
      return plan
    })
  }

  /** A rank has got its whole part of a plan. */
  served(plan: Plan, rank: number): void {
    if (plan === this.#run.plan) this.#planMaker.served(plan, rank)
  }

  /** Sequence of a rank's last report of a plan's epoch, told when it is recorded; 0 = none. Throws STALE_GENERATION where the plan is of a life that is over. */
  appliedSequence({ epoch, generation }: Plan, rank: number): Promise<number> {
    return this.#track(async () => {
      checkGeneration(this.#run, generation)
      const sequence = this.#run.lastSequence(epoch, rank)
      await this.#durable
      return sequence
    })
  }

  /** Applies a report once, however often it comes. Reports of one rank must be handed in in the order of their sequences. */
  report(report: Report): Promise<ReportAck> {
    // Without a step of its own where nothing is to be waited for: there are thousands a second.
    return this.#track(() => (this.#change ? this.#reportAfterChange(report) : this.#reportNow(report)))
  }

  /** Closes the run for plans and reports; a second time changes nothing. `generation` is the one that the caller knows, 0 = whatever it is. */
  finish(generation = 0): Promise<RunFacts> {
    return this.#track(async () => {
      while (this.#changing !== undefined) await this.#changing
      this.#assertOpen()
      checkGeneration(this.#run, generation)
      if (!this.#run.isFinished) {
        const durable = this.#apply({ type: 'run_finished', time: this.#parts.clock() })
        const message = `run "${this.#run.runId}" was finished; it makes no more plans`
        this.#waitingRoom.rejectAll(new RunError('RUN_FINISHED', this.#run.runId, message))
        this.#planMaker.forgetAhead()
        await durable
        this.#parts.listener.finished(this.#run)
        await this.#record.saved
        const isFree = this.#changing === undefined && !this.#record.isSaving && this.isOpen
        if (isFree && this.#record.hasUnsaved) this.#record.saveSnapshot(this.#run)
      }
      await this.#durable
      return this.facts
    })
  }

  /**
   * Takes the run back to the start of an epoch, into its next generation. Who waits for a plan is refused with STALE_GENERATION.
   * `generation` is the one that the caller knows, 0 = whatever it is. The same call again, before anything else happened, changes nothing.
   */
  rewind(epoch: number, generation: number): Promise<RunFacts> {
    return this.#track(async () => {
      while (this.#changing !== undefined) await this.#changing
      this.#assertOpen()
      const run = this.#run
      const isRepeated = generation === run.generation - 1 && run.rewoundTo === epoch && run.nextEpoch === epoch
      if (generation === 0 || !isRepeated) {
        checkGeneration(run, generation)
        const rewinding = this.#rewindTo(epoch)
        this.#changing = this.#until(rewinding)
        await rewinding
        this.#parts.listener.rewound(this.#run)
      }
      await this.#durable
      return this.facts
    })
  }

  /** The run as it is now, told when all of that is recorded. */
  read(): Promise<RunFacts> {
    return this.#onceRecorded(() => this.facts)
  }

  /** What came of the last selections, told when all of that is recorded. */
  selections(): Promise<readonly HeldSelection[]> {
    return this.#onceRecorded(() => this.#run.selections)
  }

  /** What is known of each sample now, told when all of that is recorded. Until the reading is released it counts as a call. */
  async statistics(onRelease: () => void): Promise<StatisticsReading> {
    const { facts, capture } = await this.#captureRecorded()
    this.#calls++
    return new StatisticsReading(facts, capture, () => {
      this.#calls--
      onRelease()
    })
  }

  /** The whole run as it is when this is first read, recorded by then, in pieces of at most 1 MB. */
  async *export(): AsyncGenerator<Uint8Array, void, void> {
    this.#calls++
    try {
      const { capture } = await this.#captureRecorded()
      try {
        const { runId } = this.#run
        const epochStarts = this.#record.epochStarts.filter((epoch) => epoch < capture.state.progress.epochsPlanned)
        yield* writeExport(
          { runId, epochStarts },
          this.#images(writeImage(capture), epochStarts, capture.state.generation),
        )
      } finally {
        capture.statistics.release()
      }
    } catch (error) {
      throw this.#refusalOf(error, 'one of the epoch starts')
    } finally {
      this.#calls--
      this.#lastCall = this.#parts.clock()
    }
  }

  /** Ends what waits with `error`, and refuses every later call with it. */
  close(error: Error): void {
    this.#closed ??= error
    this.#planMaker.forgetAhead()
    this.#waitingRoom.rejectAll(error)
  }

  /** Gives the lease back when what is on its way to the disk has arrived. To be called after `close`. */
  async release(): Promise<void> {
    await this.#record.release()
  }

  async #reportAfterChange(report: Report): Promise<ReportAck> {
    for (let change = this.#change; change; change = this.#change) await change
    return this.#reportNow(report)
  }

  #reportNow(report: Report): Promise<ReportAck> {
    this.#assertOpen()
    if (checkReport(this.#run, report) === 'duplicate') return this.#durable.then(() => DUPLICATE)
    const { progress } = this.#run
    const { observations, nonFinite, repeats } = progress
    const durable = this.#apply(toEvent(report, this.#run, this.#parts.clock()))
    const ack = {
      duplicate: false,
      observations: progress.observations - observations,
      nonFinite: progress.nonFinite - nonFinite,
      repeats: progress.repeats - repeats,
    }
    if (this.#record.isSnapshotDue) this.#record.saveSnapshot(this.#run)
    this.#planMaker.planAhead(this.#run)
    this.#waitingRoom.reported(report.rank)
    this.#planIfComplete()
    return durable.then(() => ack)
  }

  async #track<T>(call: () => Promise<T>): Promise<T> {
    this.#calls++
    try {
      return await call()
    } finally {
      this.#calls--
      this.#lastCall = this.#parts.clock()
    }
  }

  /** The run's state and its facts at one moment, once everything that happened before it is recorded. Release the capture in any case. */
  #captureRecorded(): Promise<{ facts: RunFacts; capture: RunCapture }> {
    return this.#onceRecorded(
      () => ({ facts: this.facts, capture: this.#run.capture() }),
      ({ capture }) => capture.statistics.release(),
    )
  }

  /** What `take` sees at one moment, once everything that happened before it is recorded; `drop` gets it where that will never be. */
  async #onceRecorded<T>(take: () => T, drop: (taken: T) => void = () => {}): Promise<T> {
    this.#calls++
    try {
      await this.#record.saved
      while (this.#changing !== undefined) await this.#changing
      this.#assertOpen()
      const taken = take()
      try {
        await this.#durable
      } catch (error) {
        drop(taken)
        throw error
      }
      return taken
    } finally {
      this.#calls--
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closed
  }

  /** Records an event and applies it. Resolves when it is durable. */
  #apply(event: RunEvent): Promise<void> {
    const appended = this.#record.append(event)
    if (appended !== this.#appended) {
      this.#appended = appended
      this.#durable = appended.catch((error: unknown) => {
        throw this.#closed ?? storeRefusal(this.#run.runId, error, this.#parts.listener)
      })
      // A state that is ahead of its record must answer nobody.
      this.#durable.catch((error: Error) => this.close(error))
    }
    const durable = this.#durable
    try {
      this.#run.apply(event)
    } catch (error) {
      // So must one that has only half of what is recorded.
      this.close(error as Error)
      throw error
    }
    return durable
  }

  #until(work: Promise<unknown>): Promise<void> {
    return work.then(
      () => this.#endChange(),
      () => this.#endChange(),
    )
  }

  #endChange(): void {
    this.#changing = undefined
  }

  #planIfComplete(): void {
    if (this.#changing || !this.#waitingRoom.isComplete) return
    this.#changing = this.#until(this.#makePlan().catch((error: Error) => this.#waitingRoom.rejectAll(error)))
  }

  async #makePlan(): Promise<void> {
    const run = this.#run
    const { clock, listener } = this.#parts
    const start = clock()
    const epoch = run.nextEpoch
    const worldSize = this.#waitingRoom.worldSize as number
    const { reason } = ruleOfEpoch(run.spec, epoch)
    const { keptSet, summary, ...arrays } = await this.#planMaker.make(run, worldSize)
    checkMadePlan(run, keptSet, epoch, worldSize)
    await this.#record.saved
    this.#assertOpen()
    if (this.#record.hasUnsaved || !this.#record.epochStarts.includes(epoch)) this.#record.saveSnapshot(run, epoch)
    const selection = keptSet && summary && { selected: { keptSet, summary } }
    const durable = this.#apply({ type: 'epoch_planned', time: clock(), epoch, worldSize, reason, ...selection })
    const plan = run.plan as Plan
    plan.supply(arrays)
    this.#planMaker.forgetAhead()
    await durable
    this.#waitingRoom.settle(plan)
    listener.planned(run, plan, Math.max(0, clock() - start))
  }

  /**
   * What a call that decides by the plan has to wait for: a change of the run, or the arrays of its plan, which one that came back from its record
   * has to compute first. All calls wait for the same promise, and look again after it, so that they go on in their order and one at a time.
   */
  get #change(): Promise<void> | undefined {
    const { plan } = this.#run
    if (this.#changing === undefined && this.isOpen && plan?.isReady === false) {
      this.#changing = this.#until(this.#planMaker.supply(plan, this.#run).catch((error: Error) => this.close(error)))
    }
    return this.#changing
  }

  #checkEpochStart(epoch: number): void {
    const { epochStarts, nextEpoch } = this.facts
    if (epochStarts.includes(epoch)) return
    const hint = epoch < nextEpoch ? ' (--epoch-starts of the sampler sets how many are kept)' : ''
    const message = `epoch is ${epoch}, but run "${this.#run.runId}" can go back to the start of epoch ${epochStarts.join(', ')} only${hint}`
    throw new RunError('EPOCH_START_GONE', this.#run.runId, message)
  }

  async #rewindTo(epoch: number): Promise<void> {
    const { generation } = this.#run
    try {
      await this.#durable
      await this.#record.saved
      this.#checkEpochStart(epoch)
      const rewound = await this.#rewound(epoch)
      this.#assertOpen()
      await this.#record.rewind(rewound, epoch)
      this.#waitingRoom.rejectAll(staleGeneration(rewound, generation))
      this.#run = rewound
      this.#planMaker.forgetAhead()
      this.#waitingRoom = new WaitingRoom(rewound)
    } catch (error) {
      throw this.#refusalOf(error, `the start of epoch ${epoch}`)
    }
  }

  #rewound(epoch: number): Promise<Run> | Run {
    const time = this.#parts.clock()
    if (epoch === 0) return restartedRun(this.#run, time)
    const source = epoch === this.#run.nextEpoch ? undefined : this.#record.readEpochStart(epoch)
    return rewoundRun(this.#run, source, epoch, time)
  }

  /** What a caller is told where the record could not be read or written. Damage of what is kept besides the run is not damage of the run. */
  #refusalOf(error: unknown, what: string): unknown {
    const { runId } = this.#run
    if (!isDamage(error)) return storeRefusal(runId, error, this.#parts.listener)
    this.#parts.listener.damaged(runId, error)
    const message = `${what} kept of run "${runId}" is damaged, the sampler's log says which and where; the run itself is not: it can go on, or back to another epoch`
    return new RunError('RUN_DAMAGED', runId, message)
  }

  /** The image of the run, then those of the epoch starts, which stay the same as long as the run is not rewound. */
  async *#images(
    image: ByteStream,
    epochStarts: readonly number[],
    generation: number,
  ): AsyncGenerator<ByteStream, void, void> {
    const { runId } = this.#run
    yield image
    for (const epoch of epochStarts) {
      if (this.#run.generation !== generation || !this.#record.epochStarts.includes(epoch)) {
        const message = `run "${runId}" went on while it was exported, and no longer has the start of epoch ${epoch}; export it again`
        throw new RunError('STORE_UNAVAILABLE', runId, message)
      }
      yield this.#record.readEpochStart(epoch)
    }
  }
}

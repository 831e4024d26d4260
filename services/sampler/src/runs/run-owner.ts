import { ruleOfEpoch } from '../core/plans/epoch-rule.js'
import { RandomStream } from '../core/random/random-stream.js'
import { checkPlanRequest, type PlanRequest } from './check-plan-request.js'
import { checkReport, type Report } from './check-report.js'
import type { Plan } from './plan.js'
import type { Clock, RunJournal, Selector } from './ports.js'
import type { Run } from './run.js'
import { RunError } from './run-error.js'
import type { RunEvent } from './run-event.js'
import { WaitingRoom } from './waiting-room.js'

/** What became of a report. */
export interface ReportAck {
  readonly duplicate: boolean
  readonly observations: number
  readonly nonFinite: number
  readonly repeats: number
}

/** Told of what happened, for the log. */
export interface RunListener {
  created(run: Run): void
  planned(run: Run, plan: Plan, milliseconds: number): void
  finished(run: Run): void
  deleted(runId: string): void
}

/** What a run owner works with. */
export interface RunOwnerParts {
  readonly clock: Clock
  readonly selector: Selector
  readonly listener: RunListener
}

const DUPLICATE: ReportAck = { duplicate: true, observations: 0, nonFinite: 0, repeats: 0 }

/**
 * Decides for one run: checks a call, makes its event, records it, applies it, and answers when the record is durable.
 * An event is applied as soon as the journal has taken it, so that many can be on their way to the disk at once;
 * nothing of it is told to anyone before it is durable.
 */
export class RunOwner {
  readonly run: Run
  readonly #journal: RunJournal
  readonly #parts: RunOwnerParts
  readonly #waitingRoom: WaitingRoom
  /** The last event's way to the disk; those before it have arrived when it has. */
  #durable: Promise<void> = Promise.resolve()
  /** Set while a plan is being made: what would change the run waits for it. */
  #planning: Promise<void> | undefined
  #closed: Error | undefined

  constructor(run: Run, journal: RunJournal, parts: RunOwnerParts) {
    this.run = run
    this.#journal = journal
    this.#parts = parts
    this.#waitingRoom = new WaitingRoom(run)
  }

  /** The plan of an epoch: made once, when all ranks have asked and their reports are in. The wait ends after `waitMs`, or when `signal` aborts. */
  async planEpoch(request: PlanRequest, waitMs: number, signal: AbortSignal): Promise<Plan> {
    while (this.#planning !== undefined) await this.#planning
    this.#assertOpen()
    checkPlanRequest(this.run, request)
    const { plan } = this.run
    if (plan && request.epoch === plan.epoch) {
      await this.#durable
      return plan
    }
    const answer = this.#waitingRoom.wait(request, waitMs, signal)
    this.#planIfComplete()
    return answer
  }

  /** Applies a report once, however often it comes. Reports of one rank must be handed in in the order of their sequences. */
  async report(report: Report): Promise<ReportAck> {
    while (this.#planning !== undefined) await this.#planning
    this.#assertOpen()
    if (checkReport(this.run, report) === 'duplicate') {
      await this.#durable
      return DUPLICATE
    }
    const before = { ...this.run.progress }
    const durable = this.#record({ type: 'losses_reported', time: this.#parts.clock(), ...report })
    const { observations, nonFinite, repeats } = this.run.progress
    const ack = {
      duplicate: false,
      observations: observations - before.observations,
      nonFinite: nonFinite - before.nonFinite,
      repeats: repeats - before.repeats,
    }
    this.#waitingRoom.reported(report.rank)
    this.#planIfComplete()
    await durable
    return ack
  }

  /** Closes the run for plans and reports; a second time changes nothing. */
  async finish(): Promise<Run> {
    while (this.#planning !== undefined) await this.#planning
    this.#assertOpen()
    if (!this.run.isFinished) {
      const durable = this.#record({ type: 'run_finished', time: this.#parts.clock() })
      const message = `run "${this.run.runId}" was finished; it makes no more plans`
      this.#waitingRoom.rejectAll(new RunError('RUN_FINISHED', this.run.runId, message))
      await durable
      this.#parts.listener.finished(this.run)
    }
    await this.#durable
    return this.run
  }

  /** Ends what waits with `error`, and refuses every later call with it. */
  close(error: Error): void {
    this.#closed = error
    this.#waitingRoom.rejectAll(error)
  }

  /** The run as it is recorded: what is on its way to the disk is waited for. */
  async read(): Promise<Run> {
    this.#assertOpen()
    await this.#durable
    return this.run
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closed
  }

  #record(event: RunEvent): Promise<void> {
    const durable = this.#journal.append(event)
    // A state that is ahead of its record must answer nobody.
    durable.catch((error: Error) => this.close(error))
    this.#durable = durable
    try {
      this.run.apply(event)
    } catch (error) {
      // So must one that has only half of what is recorded.
      this.close(error as Error)
      throw error
    }
    return durable
  }

  #planIfComplete(): void {
    if (this.#planning || !this.#waitingRoom.isComplete) return
    this.#planning = this.#makePlan()
      .catch((error: Error) => this.#waitingRoom.rejectAll(error))
      .finally(() => {
        this.#planning = undefined
      })
  }

  async #makePlan(): Promise<void> {
    const { run } = this
    const { clock, selector, listener } = this.#parts
    const start = clock()
    const epoch = run.nextEpoch
    const worldSize = this.#waitingRoom.worldSize as number
    const { reason, keptCount } = ruleOfEpoch(run.spec, epoch)
    const selection = reason === 'selected' && {
      selected: await selector.select(run.spec.policy, {
        statistics: run.statistics,
        keptCount,
        epoch,
        random: (purpose, streamEpoch) => new RandomStream(run.spec.seed, streamEpoch, purpose),
      }),
    }
    this.#assertOpen()
    await this.#record({ type: 'epoch_planned', time: clock(), epoch, worldSize, reason, ...selection })
    const plan = run.plan as Plan
    this.#waitingRoom.settle(plan)
    listener.planned(run, plan, Math.max(0, clock() - start))
  }
}

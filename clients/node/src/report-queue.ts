import type { LossReport } from '@keepset/proto'
import { type KeepsetError, QueueFullError } from './errors.js'

/** A report as it waits. */
export interface QueuedReport {
  readonly epoch: number
  readonly rank: number
  readonly sequence: number
  /** The report as it is sent, the same each time. */
  toWire(): LossReport
}

interface Waiter {
  /** The rank that the slot is kept for; undefined = whoever comes first. */
  readonly rank: number | undefined
  resolve(): void
  reject(error: KeepsetError): void
}

interface Drain {
  readonly acknowledged: number
  resolve(): void
  reject(error: KeepsetError): void
}

/**
 * Reports that are not acknowledged yet, oldest first. There is room while they are fewer than `limit`.
 *
 * A slot can be kept for a rank: then several ranks can train at once on one queue, each sure that the report of the batch
 * in its hands finds room. A rank holds at most one kept slot, on top of the limit: a rank never waits for a batch that another
 * one holds, which would stand still where ranks train in lock-step. A slot that was asked for by {@link room} is kept for the
 * turn of the event loop in which it is given, so that two loops that wait are not both sent to the same place.
 */
export class ReportQueue {
  readonly limit: number
  readonly #reports: QueuedReport[] = []
  readonly #kept = new Set<number>()
  readonly #keptForTurn = new Set<Waiter>()
  readonly #waiters: Waiter[] = []
  readonly #drains: Drain[] = []
  #pushed = 0
  #acknowledged = 0
  #failure: KeepsetError | undefined

  constructor(limit: number) {
    this.limit = limit
  }

  get length(): number {
    return this.#reports.length
  }

  at(index: number): QueuedReport | undefined {
    return this.#reports[index]
  }

  /** Whether a report finds room that nobody was given. */
  get hasFreeSlot(): boolean {
    return this.#reports.length + this.#keptForTurn.size < this.limit
  }

  /** Throws the error that the queue has failed with, if it has. */
  check(): void {
    if (this.#failure) throw this.#failure
  }

  /**
   * Adds at the end; uses up the slot kept for the report's rank. Throws and adds nothing: the error that the queue has failed with, or
   * {@link QueueFullError} when there is no room.
   */
  push(report: QueuedReport): void {
    this.check()
    if (!this.#kept.delete(report.rank)) this.#takeFreeSlot()
    this.#reports.push(report)
    this.#pushed++
  }

  /** Resolves when there is a free slot, first come first served; use it in the same turn of the event loop. */
  room(): Promise<void> {
    return this.#wait(undefined)
  }

  /** Resolves when a slot is kept for the rank. */
  async keepRoomFor(rank: number): Promise<void> {
    if (!this.#kept.has(rank)) await this.#wait(rank)
  }

  /** Gives back the slot kept for the rank, if there is one. */
  release(rank: number): void {
    this.#kept.delete(rank)
  }

  /** Removes the oldest report. */
  acknowledge(): void {
    this.#reports.shift()
    this.#acknowledged++
    while (this.#drains[0] !== undefined && this.#drains[0].acknowledged <= this.#acknowledged) {
      this.#drains.shift()?.resolve()
    }
    this.#wake()
  }

  /** Resolves when every report pushed until now is acknowledged. */
  drained(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    if (this.#reports.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#drains.push({ acknowledged: this.#pushed, resolve, reject })
    })
  }

  /** Rejects everyone who waits, now and from now on. */
  fail(error: KeepsetError): void {
    this.#failure = error
    for (const waiter of [...this.#waiters.splice(0), ...this.#drains.splice(0)]) waiter.reject(error)
  }

  /** Uses up a slot that was given for this turn, or one that nobody was given. */
  #takeFreeSlot(): void {
    if (this.#keptForTurn.size > 0) {
      const [waiter] = this.#keptForTurn
      if (waiter) this.#keptForTurn.delete(waiter)
      return
    }
    if (this.hasFreeSlot) return
    throw new QueueFullError(
      'RESOURCE_EXHAUSTED',
      `${this.limit} reports wait to be sent or acknowledged: take batches from plan.batches() or await run.room() before report(), or raise reportQueueLimit.`,
      { reason: 'QUEUE_FULL' },
    )
  }

  #wait(rank: number | undefined): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const waiter = { rank, resolve, reject }
      this.#waiters.push(waiter)
      this.#wake()
    })
  }

  /** Admits those who wait, in their order, while there is room. */
  #wake(): void {
    while (this.hasFreeSlot) {
      const waiter = this.#waiters.shift()
      if (!waiter) return
      this.#admit(waiter)
    }
  }

  #admit(waiter: Waiter): void {
    if (waiter.rank !== undefined) this.#kept.add(waiter.rank)
    else {
      this.#keptForTurn.add(waiter)
      setImmediate(() => {
        if (this.#keptForTurn.delete(waiter)) this.#wake()
      })
    }
    waiter.resolve()
  }
}

import { type PlanRequest, worldSizeMismatch } from './check-plan-request.js'
import type { Plan, Run } from './run.js'
import { RunError } from './run-error.js'

interface Waiter {
  readonly request: PlanRequest
  resolve(plan: Plan): void
  reject(error: Error): void
}

/** Longest delay that a timer can have; a wait that is longer, 24 days, has no end. */
const MAX_DELAY = 0x7fffffff

/** "ranks 1, 2 and 5" out of many, cut after ten. */
function nameRanks(ranks: readonly number[]): string {
  const shown = ranks.slice(0, 10).join(', ')
  const more = ranks.length > 10 ? ` and ${ranks.length - 10} more` : ''
  return `${ranks.length === 1 ? 'rank' : 'ranks'} ${shown}${more}`
}

/**
 * The calls that wait for the plan of a run's next epoch. A rank counts while a call of its waits: one whose caller
 * vanished does not hold the world size, nor lets the others pass.
 */
export class WaitingRoom {
  readonly #run: Run
  readonly #waiters = new Set<Waiter>()
  /** Ranks that asked for this epoch with the world size of those who wait, also those that wait no more: to name who is missing, and how. */
  readonly #askedRanks = new Set<number>()
  #askedWorldSize = 0

  constructor(run: Run) {
    this.#run = run
  }

  /**
   * Waits for `settle` or `rejectAll`. Rejects with WORLD_SIZE_MISMATCH where others wait with another world size, after
   * `milliseconds` with BARRIER_TIMEOUT and the names of the ranks that are missing, and with the reason of `signal` when that aborts.
   */
  wait(request: PlanRequest, milliseconds: number, signal: AbortSignal): Promise<Plan> {
    const worldSize = this.worldSize
    if (worldSize !== undefined && worldSize !== request.worldSize) {
      return Promise.reject(worldSizeMismatch(request, `other ranks wait for epoch ${request.epoch} with ${worldSize}`))
    }
    if (request.worldSize !== this.#askedWorldSize) this.#askedRanks.clear()
    this.#askedWorldSize = request.worldSize
    return new Promise<Plan>((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter = {
        request,
        resolve: (plan) => {
          leave()
          resolve(plan)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      const abort = () => waiter.reject(signal.reason)
      const timer =
        milliseconds < MAX_DELAY ? setTimeout(() => waiter.reject(this.#timeout()), milliseconds) : undefined
      this.#waiters.add(waiter)
      this.#askedRanks.add(request.rank)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort)
    })
  }

  /** What the waiting ranks say, undefined while none waits. */
  get worldSize(): number | undefined {
    for (const { request } of this.#waiters) return request.worldSize
    return undefined
  }

  /** Whether all ranks wait and every report that they said they sent is applied. */
  get isComplete(): boolean {
    const { worldSize } = this
    return worldSize !== undefined && this.#presentRanks().size === worldSize && this.#lateReports().length === 0
  }

  /** Gives the plan to all who wait; one that came meanwhile with another world size gets WORLD_SIZE_MISMATCH. */
  settle(plan: Plan): void {
    const { worldSize } = plan.sharding
    this.#askedRanks.clear()
    for (const waiter of [...this.#waiters]) {
      if (waiter.request.worldSize === worldSize) waiter.resolve(plan)
      else waiter.reject(worldSizeMismatch(waiter.request, `epoch ${plan.epoch} was planned for ${worldSize} ranks`))
    }
  }

  rejectAll(error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.reject(error)
  }

  #presentRanks(): Set<number> {
    return new Set([...this.#waiters].map(({ request }) => request.rank))
  }

  #lateReports(): PlanRequest[] {
    return [...this.#waiters]
      .map(({ request }) => request)
      .filter(({ epoch, rank, lastSequence }) => this.#run.lastSequence(epoch - 1, rank) < lastSequence)
  }

  #timeout(): RunError {
    const worldSize = this.#askedWorldSize
    const waiting = this.#presentRanks()
    const absent = Array.from({ length: worldSize }, (_, rank) => rank).filter((rank) => !waiting.has(rank))
    const never = absent.filter((rank) => !this.#askedRanks.has(rank))
    const gone = absent.filter((rank) => this.#askedRanks.has(rank))
    const reasons = []
    if (never.length > 0) reasons.push(`${nameRanks(never)} of ${worldSize} did not ask for it`)
    if (gone.length > 0)
      reasons.push(`${nameRanks(gone)} of ${worldSize} asked, but ${gone.length === 1 ? 'waits' : 'wait'} no more`)
    for (const { epoch, rank, lastSequence } of this.#lateReports()) {
      const applied = this.#run.lastSequence(epoch - 1, rank)
      reasons.push(`rank ${rank} said it sent ${lastSequence} reports for epoch ${epoch - 1}, of which ${applied} came`)
    }
    const epoch = this.#run.nextEpoch
    const why = reasons.join('; ') || 'it was still being made'
    const message = `the plan of epoch ${epoch} was not made by the deadline: ${why}`
    return new RunError('BARRIER_TIMEOUT', this.#run.runId, message)
  }
}

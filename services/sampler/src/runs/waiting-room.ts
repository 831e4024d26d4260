import { type PlanRequest, worldSizeMismatch } from './check-plan-request.js'
import type { Plan } from './plan.js'
import type { Run } from './run.js'
import { RunError } from './run-error.js'

interface Waiter {
  readonly request: PlanRequest
  resolve(plan: Plan): void
  reject(error: Error): void
}

/** Longest delay that a timer can have; a wait that is longer, 24 days, has no end. */
const MAX_DELAY = 0x7fffffff

/** Most ranks that a text names. */
const MAX_NAMED = 10

/** "ranks 1, 2 and 5 more", of `count` ranks the first that satisfy `isMeant`. */
function nameRanks(worldSize: number, count: number, isMeant: (rank: number) => boolean): string {
  const named: number[] = []
  for (let rank = 0; rank < worldSize && named.length < Math.min(count, MAX_NAMED); rank++) {
    if (isMeant(rank)) named.push(rank)
  }
  const more = count > named.length ? ` and ${count - named.length} more` : ''
  return `${count === 1 ? 'rank' : 'ranks'} ${named.join(', ')}${more} of ${worldSize}`
}

/**
 * The calls that wait for the plan of a run's next epoch, one for each rank. A rank counts while its call waits: one whose
 * caller vanished does not hold the world size, nor lets the others pass. Joining, leaving and reporting take constant time.
 */
export class WaitingRoom {
  readonly #run: Run
  readonly #waiters = new Map<number, Waiter>()
  /** Ranks that wait, but whose reports have not all come. */
  readonly #late = new Set<number>()
  /** Ranks that asked for this epoch with this world size, also those that wait no more: to name who is missing, and how. */
  readonly #asked = new Set<number>()
  #worldSize = 0
  #timeoutText: string | undefined

  constructor(run: Run) {
    this.#run = run
  }

  /**
   * Waits for `settle` or `rejectAll`. Rejects with WORLD_SIZE_MISMATCH where others wait with another world size; with
   * ASK_SUPERSEDED when the same rank asks again; after `milliseconds` with BARRIER_TIMEOUT and the names of the ranks that are
   * missing; and with the reason of `signal` when that aborts.
   */
  async wait(request: PlanRequest, milliseconds: number, signal: AbortSignal): Promise<Plan> {
    signal.throwIfAborted()
    this.#checkWorldSize(request)
    this.#supersede(request)
    const { rank } = request
    let timer: NodeJS.Timeout | undefined
    let abort = () => {}
    try {
      return await new Promise<Plan>((resolve, reject) => {
        const waiter = { request, resolve, reject }
        this.#enter(rank, waiter)
        abort = () => this.#rejectOne(waiter, signal.reason)
        signal.addEventListener('abort', abort)
        if (milliseconds < MAX_DELAY) {
          timer = setTimeout(() => this.#rejectOne(waiter, this.#timeout()), milliseconds)
        }
      })
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  }

  /** What the waiting ranks say, undefined while none waits. */
  get worldSize(): number | undefined {
    return this.#waiters.size > 0 ? this.#worldSize : undefined
  }

  /** Whether all ranks wait and every report that they said they sent is applied. */
  get isComplete(): boolean {
    return this.#waiters.size > 0 && this.#waiters.size === this.#worldSize && this.#late.size === 0
  }

  /** A report of a rank was applied. */
  reported(rank: number): void {
    const waiter = this.#late.has(rank) && this.#waiters.get(rank)
    if (waiter && !this.#isLate(waiter.request)) this.#late.delete(rank)
  }

  /** Gives the plan to all who wait. */
  settle(plan: Plan): void {
    const waiters = this.#clear()
    this.#asked.clear()
    for (const waiter of waiters) waiter.resolve(plan)
  }

  rejectAll(error: Error): void {
    for (const waiter of this.#clear()) waiter.reject(error)
  }

  #isLate({ epoch, rank, lastSequence }: PlanRequest): boolean {
    return this.#run.lastSequence(epoch - 1, rank) < lastSequence
  }

  #enter(rank: number, waiter: Waiter): void {
    this.#waiters.set(rank, waiter)
    this.#asked.add(rank)
    if (this.#isLate(waiter.request)) this.#late.add(rank)
  }

  /** The newest call of a rank is the one that counts: the older one is that of a trainer that died, or of another with the same rank. */
  #supersede({ rank, epoch }: PlanRequest): void {
    const older = this.#waiters.get(rank)
    if (!older) return
    const message = `another call of rank ${rank} for epoch ${epoch} took the place of this one; if none was meant to, two workers have the same rank`
    this.#rejectOne(older, new RunError('ASK_SUPERSEDED', this.#run.runId, message))
  }

  /** A rank may change its mind while it waits alone. */
  #checkWorldSize({ rank, epoch, worldSize }: PlanRequest): void {
    if (worldSize === this.#worldSize) return
    const others = this.#waiters.size - (this.#waiters.has(rank) ? 1 : 0)
    if (others > 0) throw worldSizeMismatch(worldSize, `other ranks wait for epoch ${epoch} with ${this.#worldSize}`)
    this.#asked.clear()
    this.#worldSize = worldSize
  }

  #rejectOne(waiter: Waiter, error: Error): void {
    const { rank } = waiter.request
    if (this.#waiters.get(rank) === waiter) {
      this.#waiters.delete(rank)
      this.#late.delete(rank)
    }
    waiter.reject(error)
  }

  #clear(): Waiter[] {
    const waiters = [...this.#waiters.values()]
    this.#waiters.clear()
    this.#late.clear()
    return waiters
  }

  /** Those whose time is up in the same turn of the event loop share one text: it takes a look at every rank. */
  #timeout(): RunError {
    if (this.#timeoutText === undefined) {
      this.#timeoutText = this.#describeMissing()
      setImmediate(() => {
        this.#timeoutText = undefined
      })
    }
    const message = `the plan of epoch ${this.#run.nextEpoch} was not made by the deadline: ${this.#timeoutText}`
    return new RunError('BARRIER_TIMEOUT', this.#run.runId, message)
  }

  #describeMissing(): string {
    const worldSize = this.#worldSize
    const neverAsked = worldSize - this.#asked.size
    const gone = this.#asked.size - this.#waiters.size
    const reasons: string[] = []
    if (neverAsked > 0) {
      reasons.push(`${nameRanks(worldSize, neverAsked, (rank) => !this.#asked.has(rank))} did not ask for it`)
    }
    if (gone > 0) {
      const names = nameRanks(worldSize, gone, (rank) => this.#asked.has(rank) && !this.#waiters.has(rank))
      reasons.push(`${names} asked, but ${gone === 1 ? 'waits' : 'wait'} no more`)
    }
    for (const rank of [...this.#late].slice(0, MAX_NAMED)) {
      const { epoch, lastSequence } = this.#waiters.get(rank)?.request ?? { epoch: 0, lastSequence: 0 }
      const applied = this.#run.lastSequence(epoch - 1, rank)
      reasons.push(`rank ${rank} said it sent ${lastSequence} reports for epoch ${epoch - 1}, of which ${applied} came`)
    }
    return reasons.join('; ') || 'it was still being made'
  }
}

/** What waits between two tries of a call. */
interface BackoffSettings {
  /** Upper end of the first wait, in milliseconds. */
  readonly initialMs: number
  /** Upper end of every wait, in milliseconds. */
  readonly maxMs: number
}

const defaults: BackoffSettings = { initialMs: 50, maxMs: 5_000 }

/**
 * Milliseconds to wait before try number `attempt` + 2: the upper end doubles with every attempt (0, 1, 2, …) up to `maxMs`,
 * and the wait lies in its upper half, so that many trainers do not come back at the same moment.
 * `random` lies in [0, 1).
 */
export function backoffDelay(attempt: number, random: number, settings: BackoffSettings = defaults): number {
  const upper = Math.min(settings.maxMs, settings.initialMs * 2 ** attempt)
  return upper * (0.5 + random / 2)
}

/** Time and chance, passed in so that tests own them. */
export interface Timing {
  /** Milliseconds of a clock that never goes back. */
  now(): number
  /** Uniform in [0, 1). */
  random(): number
  /** Calls `callback` once after `delayMs`, which may be Infinity; the function returned cancels it. */
  schedule(callback: () => void, delayMs: number): () => void
}

/** The longest delay of a timer in Node, about 25 days: a longer one fires at once. */
export const MAX_TIMER_MS = 0x7fffffff

/** The machine's own clock and chance. */
export const systemTiming: Timing = {
  now: () => performance.now(),
  random: Math.random,
  schedule(callback, delayMs) {
    let timer: NodeJS.Timeout
    const start = (leftMs: number) => {
      const partMs = Math.min(leftMs, MAX_TIMER_MS)
      timer = setTimeout(() => (partMs < leftMs ? start(leftMs - partMs) : callback()), partMs)
    }
    start(delayMs)
    return () => clearTimeout(timer)
  },
}

/**
 * Follows one trouble with the connection: hands out the waits between tries until it has lasted too long.
 * Progress ends a trouble.
 */
export class RetryBudget {
  readonly #timing: Timing
  readonly #giveUpAfterMs: number
  #attempt = 0
  #since: number | undefined

  constructor(timing: Timing, giveUpAfterMs: number) {
    this.#timing = timing
    this.#giveUpAfterMs = giveUpAfterMs
  }

  /** The call got somewhere: the next trouble starts from nothing. */
  progress(): void {
    this.#attempt = 0
    this.#since = undefined
  }

  /** Milliseconds to wait before the next try, `atLeastMs` or more; undefined when it is time to give up. */
  nextDelay(atLeastMs = 0): number | undefined {
    const now = this.#timing.now()
    this.#since ??= now
    const delay = Math.max(atLeastMs, backoffDelay(this.#attempt++, this.#timing.random()))
    return now + delay - this.#since > this.#giveUpAfterMs ? undefined : delay
  }
}

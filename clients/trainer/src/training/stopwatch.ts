import { unlessStopped } from './stop.js'

/** Where the time of a training went, in seconds. */
export interface Seconds {
  /** Making batches and training steps. */
  readonly train: number
  /** Waiting for the sampler: opening the run, plans, batches of plans, handing over and flushing reports, finishing the run. */
  readonly sampler: number
  /** Forward passes over left-out images, for the sampler. */
  readonly score: number
  /** Evaluation on the test set. */
  readonly evaluate: number
  /** Wall-clock time; what the parts do not account for is writing metrics and checkpoints. */
  readonly total: number
}

/** A part of a training's time. */
export type TimedPart = Exclude<keyof Seconds, 'total'>

const zero: Seconds = { train: 0, sampler: 0, score: 0, evaluate: 0, total: 0 }

/** Seconds after which a wait for the sampler is told of. */
export const longWait = 5

/** Adds up the time that each part of a training takes. Parts must not be measured inside each other. */
export class Stopwatch {
  readonly #parts: Record<TimedPart, number>
  readonly #start: number
  readonly #onLongWait: () => void

  /**
   * @param before seconds that an interrupted training had taken, to go on from
   * @param onLongWait called once in each wait for the sampler that takes longer than {@link longWait}, while it lasts
   */
  constructor(before: Seconds = zero, onLongWait: () => void = () => {}) {
    const { total, ...parts } = before
    this.#parts = parts
    this.#start = performance.now() - total * 1000
    this.#onLongWait = onLongWait
  }

  /** Runs the work and adds the time until it settles. */
  async measure<T>(part: TimedPart, work: () => T | Promise<T>): Promise<T> {
    const start = performance.now()
    const timer = part === 'sampler' ? setTimeout(this.#onLongWait, 1000 * longWait) : undefined
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      this.#parts[part] += (performance.now() - start) / 1000
    }
  }

  /**
   * Passes on the items of an iterable and adds the time spent waiting for each, and for the end.
   *
   * @throws {StoppedError} if the signal asks to stop while an item is waited for
   */
  async *measureEach<T>(
    part: TimedPart,
    items: AsyncIterable<T>,
    signal?: AbortSignal,
  ): AsyncGenerator<T, void, undefined> {
    const iterator = items[Symbol.asyncIterator]()
    let open = true
    try {
      for (;;) {
        // An iterator that failed, or that is left waiting, is not to be closed: as in the language's own loop.
        open = false
        const result = await this.measure(part, () => unlessStopped(signal, iterator.next()))
        if (result.done) return
        open = true
        yield result.value
      }
    } finally {
      if (open) await iterator.return?.()
    }
  }

  /** Seconds so far. */
  read(): Seconds {
    return { ...this.#parts, total: (performance.now() - this.#start) / 1000 }
  }
}

/** What was spent between two readings. */
export function secondsBetween(before: Seconds, after: Seconds): Seconds {
  return {
    train: after.train - before.train,
    sampler: after.sampler - before.sampler,
    score: after.score - before.score,
    evaluate: after.evaluate - before.evaluate,
    total: after.total - before.total,
  }
}

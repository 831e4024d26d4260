import { RunError } from './run-error.js'

/** Bytes of a run that do not depend on its samples. */
const FIXED_BYTES = 0x10000

/**
 * Most bytes that a run holds in memory while nothing is selected or saved: 16 of statistics and an eighth of a flag a sample, 4 for the order of a full plan,
 * 4 for a kept set, 2 for the ranks that have it. A snapshot or a selection takes up to 16 more for as long as it lasts.
 */
export function runBytes(sampleCount: number): number {
  return FIXED_BYTES + Math.ceil(sampleCount * 26.125)
}

/** How the bytes of all runs that are in memory are kept below a limit. */
export class MemoryBudget {
  readonly #maxBytes: number
  readonly #unloadOne: () => Promise<boolean>
  #used = 0

  /** `unloadOne` makes the run that was idle for longest leave memory; it answers whether there was one. */
  constructor(maxBytes: number, unloadOne: () => Promise<boolean>) {
    this.#maxBytes = maxBytes
    this.#unloadOne = unloadOne
  }

  /** Bytes taken. */
  get used(): number {
    return this.#used
  }

  /** Takes bytes for a run, making room where that is needed. Rejects with OUT_OF_MEMORY. */
  async take(runId: string, bytes: number): Promise<void> {
    while (this.#used + bytes > this.#maxBytes) {
      if (bytes <= this.#maxBytes && (await this.#unloadOne())) continue
      const left = Math.max(0, this.#maxBytes - this.#used)
      const message = `run "${runId}" needs ${bytes} bytes of memory, and this sampler has ${left} left of ${this.#maxBytes} (--max-memory-bytes); finish or delete runs, or give it more`
      throw new RunError('OUT_OF_MEMORY', runId, message)
    }
    this.#used += bytes
  }

  give(bytes: number): void {
    this.#used -= bytes
  }
}

import { SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import { IN_MEMORY_FROM } from '../core/statistics/sample-statistics.js'
import type { RunSize } from './ports.js'
import { RunError } from './run-error.js'
import { columnNames, type RunSpec } from './run-spec.js'

/** Bytes of a run that do not depend on its samples: most of them what it remembers of its selections. */
const FIXED_BYTES = 0x40000

export function sizeOf(spec: RunSpec): RunSize {
  return { sampleCount: spec.sampleCount, columnCount: columnNames(spec).length, hasWeights: spec.weights === 'on' }
}

/**
 * Most bytes that a run holds in memory while nothing is selected or saved: 16 of statistics a sample and 4 for each further column; an eighth each for
 * two kept sets, for what was observed and for a selection; for the present plan and the next one, which may be made before it is asked for, 4 each for the order
 * and 2 each for the ranks that have a sample; as many weights as there are in two kept sets and two orders; and what the kernels need in passing. A selection takes
 * up to 12 more for as long as it lasts, up to 28 under a policy that draws in proportion or ranks what it draws, and a snapshot as much as the statistics.
 */
export function runBytes({ sampleCount, columnCount, hasWeights }: RunSize): number {
  const bytes = sampleCount * (28.5 + 4 * columnCount + (hasWeights ? 16 : 0))
  return FIXED_BYTES + Math.ceil(bytes) + (sampleCount < IN_MEMORY_FROM ? 0 : SCRATCH_BYTES)
}

/** Most bytes that a reading of all statistics takes besides: a copy of the columns, and the weights of the kept set of then. */
export function readingBytes({ sampleCount, columnCount, hasWeights }: RunSize): number {
  return FIXED_BYTES + sampleCount * (16 + 4 * columnCount + (hasWeights ? 4 : 0))
}

/** How the bytes of all runs that are in memory are kept below a limit. */
export class MemoryBudget {
  readonly #maxBytes: number
  readonly #unloadOne: () => Promise<boolean>
  #used = 0
  /** The last `take`; they come one after the other, so that what one makes room for is not taken by the next. Never rejects. */
  #taking: Promise<void> = Promise.resolve()

  /** `unloadOne` makes a run that is idle leave memory; it answers whether there was one. */
  constructor(maxBytes: number, unloadOne: () => Promise<boolean>) {
    this.#maxBytes = maxBytes
    this.#unloadOne = unloadOne
  }

  /** Bytes taken. */
  get used(): number {
    return this.#used
  }

  /** Throws OUT_OF_MEMORY for what could not be had if all the rest were free. */
  check(runId: string, bytes: number): void {
    if (bytes <= this.#maxBytes) return
    const message = `run "${runId}" needs ${bytes} bytes of memory, so that it can be there twice while it is rewound, and this sampler has ${this.#maxBytes} in all; raise its --max-memory-bytes`
    throw new RunError('OUT_OF_MEMORY', runId, message)
  }

  /** Takes bytes for a run, making room where that is needed. Rejects with OUT_OF_MEMORY. */
  take(runId: string, bytes: number): Promise<void> {
    const taken = this.#taking.then(() => this.#takeNext(runId, bytes))
    this.#taking = taken.catch(() => undefined)
    return taken
  }

  give(bytes: number): void {
    this.#used -= bytes
  }

  async #takeNext(runId: string, bytes: number): Promise<void> {
    this.check(runId, bytes)
    while (this.#used + bytes > this.#maxBytes) {
      if (await this.#unloadOne()) continue
      const message = `this call of run "${runId}" needs ${bytes} bytes of memory, and this sampler has ${this.#maxBytes - this.#used} left of ${this.#maxBytes}; wait until another run was idle for a minute, or raise its --max-memory-bytes`
      throw new RunError('OUT_OF_MEMORY', runId, message)
    }
    this.#used += bytes
  }
}

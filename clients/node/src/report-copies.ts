import type { LossReport } from '@keepset/proto'
import { bytesOnWire } from './packed.js'
import type { QueuedReport } from './report-queue.js'

/** Elements of 4 bytes that a block has at least. */
const blockLength = 0x4000

/** Memory for the arrays of many reports, one after the other: the same bytes as indices and as values. */
interface Block {
  readonly u32: Uint32Array
  readonly f32: Float32Array
}

/** What is the same for all reports of a plan. */
export type ReportOrigin = Pick<LossReport, 'runId' | 'epoch' | 'rank' | 'generation'>

/** Values of one metric of a batch. */
export interface MetricColumn {
  readonly name: string
  readonly values: ArrayLike<number>
}

/** A batch's report as the trainer hands it over, its arrays of the same length but for the losses. */
export interface BatchReport {
  readonly indices: Uint32Array
  /** As many as indices, or one for the whole batch. */
  readonly losses: ArrayLike<number>
  readonly metrics: readonly MetricColumn[]
}

/**
 * Copies batches for their way to the sampler. The trainer's step waits for this, so an array goes to where the last one ended: an allocation
 * for each would take longer than its copy. A block is let go of when none of its reports is left.
 */
export class ReportCopies {
  #block: Block = { u32: new Uint32Array(), f32: new Float32Array() }
  #used = 0

  copy(origin: ReportOrigin, sequence: number, { indices, losses, metrics }: BatchReport): QueuedReport {
    const count = indices.length
    const lossCount = losses.length
    const length = (1 + metrics.length) * count + lossCount
    const start = this.#startOf(length)
    const { u32, f32 } = this.#block
    u32.set(indices, start)
    f32.set(losses, start + count)
    let end = start + count + lossCount
    for (const { values } of metrics) {
      f32.set(values, end)
      end += count
    }
    this.#used = end
    return new CopiedReport(origin, sequence, this.#block, start, { count, lossCount }, namesOf(metrics))
  }

  /** Where there is room for so many elements, in a new block if need be. */
  #startOf(length: number): number {
    if (this.#used + length <= this.#block.u32.length) return this.#used
    const { buffer } = Buffer.allocUnsafeSlow(4 * Math.max(blockLength, length))
    this.#block = { u32: new Uint32Array(buffer), f32: new Float32Array(buffer) }
    return 0
  }
}

/** How many elements the columns of a report have. */
interface Counts {
  /** Of indices, and of the values of each metric. */
  readonly count: number
  readonly lossCount: number
}

/** A report that is made for the wire when it is sent, each time. */
class CopiedReport implements QueuedReport {
  readonly sequence: number
  readonly #origin: ReportOrigin
  readonly #block: Block
  readonly #start: number
  readonly #counts: Counts
  readonly #metrics: readonly string[]

  constructor(
    origin: ReportOrigin,
    sequence: number,
    block: Block,
    start: number,
    counts: Counts,
    metrics: readonly string[],
  ) {
    this.sequence = sequence
    this.#origin = origin
    this.#block = block
    this.#start = start
    this.#counts = counts
    this.#metrics = metrics
  }

  get epoch(): number {
    return this.#origin.epoch
  }

  get rank(): number {
    return this.#origin.rank
  }

  toWire(): LossReport {
    const { count, lossCount } = this.#counts
    const afterLosses = count + lossCount
    return {
      ...this.#origin,
      sequence: this.sequence,
      sampleIndices: this.#column(0, count),
      losses: this.#column(count, lossCount),
      metrics: this.#metrics.map((name, nth) => ({ name, values: this.#column(afterLosses + nth * count, count) })),
    }
  }

  #column(offset: number, count: number): Buffer {
    const start = this.#start + offset
    return bytesOnWire(this.#block.u32.subarray(start, start + count))
  }
}

const noNames: readonly string[] = []

function namesOf(metrics: readonly MetricColumn[]): readonly string[] {
  return metrics.length === 0 ? noNames : metrics.map(({ name }) => name)
}

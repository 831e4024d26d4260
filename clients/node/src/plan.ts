import { setImmediate as turn } from 'node:timers/promises'
import { isUint32Array } from 'node:util/types'
import { type Batch, cutBatches } from './batches.js'
import { checkU32, invalid } from './checks.js'
import { unpackU32, unpackU32To } from './packed.js'
import type { BatchReport, MetricColumn } from './report-copies.js'

/** Why the kept set is what it is: a first epoch, chosen for this epoch, the set of the last selection, a last epoch. */
export type PlanReason = 'warmup' | 'selected' | 'reused' | 'tail'

/** What a plan is, before its positions. */
export interface PlanFacts {
  readonly epoch: number
  readonly rank: number
  readonly worldSize: number
  /** Samples kept in this epoch, over all ranks, k. */
  readonly keptCount: number
  /** Samples in the data set, N. */
  readonly sampleCount: number
  /** Positions of this rank: as many as for every other rank. */
  readonly positionCount: number
  /** Share of the data set left out so far, this epoch included. Range [0, 1). */
  readonly saving: number
  /** Epoch at which the kept set was chosen; for 'warmup' and 'tail' the epoch itself. */
  readonly selectionEpoch: number
  readonly reason: PlanReason
  /** SHA-256 of the epoch's order over all ranks, as 64 hexadecimal digits. Equal on all ranks and for every world size. */
  readonly digest: string
  /** Reports of this rank in this epoch that the sampler had when it was asked: 0, or more after a restart in mid-epoch. The next report goes on after them. */
  readonly appliedSequence: number
}

/** Values of further metrics of a batch, by their names: of each as many as losses. */
export type MetricValues = Readonly<Record<string, ArrayLike<number>>>

/** What a plan needs of its run. */
interface PlanLink {
  /** The indices from the start position on, packed little-endian u32 in pieces as they come. */
  pieces(): AsyncIterable<Uint8Array>
  /** Resolves when the next report of this rank is sure to find room. */
  keepRoom(): Promise<void>
  releaseRoom(): void
  report(batch: BatchReport): void
}

/** What one rank trains on in one epoch. */
export class Plan implements PlanFacts {
  readonly epoch: number
  readonly rank: number
  readonly worldSize: number
  readonly keptCount: number
  readonly sampleCount: number
  readonly positionCount: number
  readonly saving: number
  readonly selectionEpoch: number
  readonly reason: PlanReason
  readonly digest: string
  readonly appliedSequence: number
  /** Position at which {@link batches} and {@link indices} begin: 0, or what the trainer asked for. */
  readonly startPosition: number
  readonly #link: PlanLink

  constructor(facts: PlanFacts, startPosition: number, link: PlanLink) {
    this.epoch = facts.epoch
    this.rank = facts.rank
    this.worldSize = facts.worldSize
    this.keptCount = facts.keptCount
    this.sampleCount = facts.sampleCount
    this.positionCount = facts.positionCount
    this.saving = facts.saving
    this.selectionEpoch = facts.selectionEpoch
    this.reason = facts.reason
    this.digest = facts.digest
    this.appliedSequence = facts.appliedSequence
    this.startPosition = startPosition
    this.#link = link
  }

  /**
   * The plan in batches of `batchSize` (at least 1) positions, the last one shorter where they do not divide. Indices are handed
   * out as they come from the sampler; a stream that breaks is resumed where it was, with no index lost or doubled.
   *
   * Before each batch it waits until the report of that batch is sure to find room, so a loop that reports once a batch never
   * meets a full queue. Each call begins at {@link startPosition} again.
   *
   * Throws the failure of the run, when its reports can no longer be delivered.
   */
  batches(batchSize: number): AsyncIterableIterator<Batch> {
    return this.#batches(checkU32('batchSize', batchSize, 1))
  }

  async *#batches(batchSize: number): AsyncGenerator<Batch, void, void> {
    try {
      for await (const batch of cutBatches(unpacked(this.#link.pieces()), batchSize, this.startPosition)) {
        await this.#link.keepRoom()
        // A trainer whose step never waits for a timer or for I/O would keep the reports from leaving until their queue is full.
        await turn()
        yield batch
      }
    } finally {
      this.#link.releaseRoom()
    }
  }

  /** All indices from {@link startPosition} on: 4 bytes a position. */
  async indices(): Promise<Uint32Array> {
    const all = new Uint32Array(this.positionCount - this.startPosition)
    let filled = 0
    for await (const piece of this.#link.pieces()) {
      filled += unpackU32To(all, filled, piece)
    }
    return all
  }

  /**
   * Hands over the un-reduced losses of a batch and returns: nothing is waited for, the arrays are copied. `losses[i]` belongs to
   * the i-th index, and both have the same length, at least 1. The report is sent in the background, exactly once and in order.
   * `metrics` has values of any of the run's metrics (`createRun({ metrics })`), for example `{ correct: [1, 0, 1] }`; what is not finite changes nothing.
   *
   * Throws, and queues nothing: {@link InvalidArgumentError} when the lengths differ, {@link QueueFullError} when there is no room
   * (see {@link batches} and `run.room()`), {@link PreconditionError} when the rank has gone on to another epoch, and the failure of
   * the run when an earlier report was refused or could not be delivered.
   */
  report(batch: Pick<Batch, 'indices'> | Uint32Array, losses: ArrayLike<number>, metrics?: MetricValues): void {
    const indices = batch instanceof Uint32Array ? batch : batch?.indices
    if (!(indices instanceof Uint32Array || isUint32Array(indices))) {
      throw invalid('sample_indices', `must be a Uint32Array or a batch of plan.batches(), got ${nameOf(batch)}`)
    }
    if (losses?.length !== indices.length) {
      throw invalid(
        'losses',
        `must be an array with the un-reduced loss of each of the ${indices.length} indices, got ${lengthOf(losses)}`,
      )
    }
    if (indices.length === 0) throw invalid('sample_indices', 'must hold at least one index')
    this.#link.report({ indices, losses, metrics: metrics ? columnsOf(metrics, indices.length) : noColumns })
  }
}

async function* unpacked(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint32Array, void, void> {
  for await (const piece of pieces) yield unpackU32(piece)
}

const noColumns: readonly MetricColumn[] = []

function columnsOf(metrics: MetricValues, count: number): MetricColumn[] {
  return Object.entries(metrics).map(([name, values]) => {
    if (values?.length === count) return { name, values }
    throw invalid(
      `metrics.${name}`,
      `must be an array with a value for each of the ${count} indices, got ${lengthOf(values)}`,
    )
  })
}

function nameOf(value: unknown): unknown {
  return value?.constructor?.name ?? (value === null ? null : typeof value)
}

/** The length of what may be no array, for the text of an error; what it is, where it has none. */
function lengthOf(values: ArrayLike<number> | undefined): unknown {
  return values?.length ?? values
}

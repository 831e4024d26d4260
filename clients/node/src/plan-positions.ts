import { setImmediate as turn } from 'node:timers/promises'
import { isUint32Array } from 'node:util/types'
import type { PlanChunk } from '@keepset/proto'
import { type Batch, cutBatches, type Piece } from './batches.js'
import { checkU32, invalid } from './checks.js'
import { unpackF32, unpackU32, unpackU32To } from './packed.js'
import type { BatchReport, MetricColumn } from './report-copies.js'
import type { ScoreSource } from './run-settings.js'

/** Values of further metrics of a batch, by their names: of each as many as the batch has samples. */
export type MetricValues = Readonly<Record<string, ArrayLike<number>>>

/** What a rank's positions of an epoch are, before they come. */
export interface PositionFacts {
  readonly epoch: number
  readonly rank: number
  /** Positions of this rank: of a plan as many as for every other rank, of what is to be scored perhaps one more or less. */
  readonly positionCount: number
}

/** Packed bytes of consecutive positions. */
export type PackedPiece = Pick<PlanChunk, 'sampleIndices' | 'weights'>

/** What positions need of their run. */
export interface PositionLink {
  readonly scoreSource: ScoreSource
  /** The positions from the start position on in pieces as they come. Weights are empty where there are none. */
  pieces(): AsyncIterable<PackedPiece>
  /** Resolves when the next report of this rank is sure to find room. */
  keepRoom(): Promise<void>
  releaseRoom(): void
  report(batch: BatchReport): void
}

/** Positions of one rank in one epoch: what it trains on, or what it scores. */
export class PlanPositions implements PositionFacts {
  readonly epoch: number
  readonly rank: number
  readonly positionCount: number
  /** Position at which {@link batches} and {@link indices} begin: 0, or what the trainer asked for. */
  readonly startPosition: number
  readonly #link: PositionLink

  constructor({ epoch, rank, positionCount }: PositionFacts, startPosition: number, link: PositionLink) {
    this.epoch = epoch
    this.rank = rank
    this.positionCount = positionCount
    this.startPosition = startPosition
    this.#link = link
  }

  /**
   * The positions in batches of `batchSize` (at least 1), the last one shorter where they do not divide. Indices are handed
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

  /** All indices from {@link startPosition} on: 4 bytes a position. Their weights come with {@link batches} alone. */
  async indices(): Promise<Uint32Array> {
    const all = new Uint32Array(this.positionCount - this.startPosition)
    let filled = 0
    for await (const { sampleIndices } of this.#link.pieces()) {
      filled += unpackU32To(all, filled, sampleIndices)
    }
    return all
  }

  /**
   * Hands over the un-reduced losses of a batch, without their weights, and returns: nothing is waited for, the arrays are copied. `losses[i]`
   * belongs to the i-th index, and both have the same length, at least 1. The report is sent in the background, exactly once and in order.
   * Where the run has `scoreSource: 'batch_loss'` the mean loss of the batch is all that is taken: a number.
   * `metrics` has values of any of the run's metrics (`createRun({ metrics })`), for example `{ correct: [1, 0, 1] }`; what is not finite changes nothing.
   *
   * Throws, and queues nothing: {@link InvalidArgumentError} when the lengths differ or the losses are not what the run's `scoreSource` says,
   * {@link QueueFullError} when there is no room (see {@link batches} and `run.room()`), {@link PreconditionError} when the rank has gone on to
   * another epoch, and the failure of the run when an earlier report was refused or could not be delivered.
   */
  report(
    batch: Pick<Batch, 'indices'> | Uint32Array,
    losses: ArrayLike<number> | number,
    metrics?: MetricValues,
  ): void {
    const indices = batch instanceof Uint32Array ? batch : batch?.indices
    if (!(indices instanceof Uint32Array || isUint32Array(indices))) {
      throw invalid('sample_indices', `must be a Uint32Array or a batch of plan.batches(), got ${nameOf(batch)}`)
    }
    const values = lossesOf(losses, indices.length, this.#link.scoreSource)
    if (indices.length === 0) throw invalid('sample_indices', 'must hold at least one index')
    this.#link.report({ indices, losses: values, metrics: metrics ? columnsOf(metrics, indices.length) : noColumns })
  }
}

async function* unpacked(pieces: AsyncIterable<PackedPiece>): AsyncGenerator<Piece, void, void> {
  for await (const { sampleIndices, weights } of pieces) {
    yield { indices: unpackU32(sampleIndices), weights: weights.length > 0 ? unpackF32(weights) : undefined }
  }
}

/** The losses of a batch of `count` samples, as many as the run's source of scores has. */
function lossesOf(losses: ArrayLike<number> | number, count: number, source: ScoreSource): ArrayLike<number> {
  if (source === 'batch_loss') {
    if (typeof losses === 'number') return [losses]
    const got = losses?.length === undefined ? losses : `an array of ${losses.length}`
    throw invalid(
      'losses',
      `must be the mean loss of the batch, a number: the run's scoreSource is 'batch_loss', got ${got}`,
    )
  }
  if (typeof losses !== 'number' && losses?.length === count) return losses
  const meanAlone = typeof losses === 'number' ? `; a mean alone needs a run with scoreSource: 'batch_loss'` : ''
  throw invalid(
    'losses',
    `must be an array with the un-reduced loss of each of the ${count} indices, got ${lengthOf(losses)}${meanAlone}`,
  )
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
function lengthOf(values: ArrayLike<number> | number | undefined): unknown {
  return typeof values === 'number' ? values : (values?.length ?? values)
}

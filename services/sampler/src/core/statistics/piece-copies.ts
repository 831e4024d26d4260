import type { StatisticsColumns } from './statistics-columns.js'

type LossColumn = 'mean' | 'variance' | 'lastLoss' | 'observations'
const LOSS_COLUMNS: readonly LossColumn[] = ['mean', 'variance', 'lastLoss', 'observations']

/** The columns that a report changes. */
export type ReportedColumns = Pick<StatisticsColumns, LossColumn | 'metrics'>

/** Samples that are copied at once before one of them changes: 896 bytes of losses, so that a report of scattered samples copies little. */
export const PIECE_SAMPLES = 64

/** Most pieces of a chunk: about a megabyte, so that many copies are few objects. */
const CHUNK_PIECES = 1024

/** Room for the columns that a report changes, in a memory that can be given back. */
class Chunk implements ReportedColumns {
  readonly buffer: ArrayBuffer
  readonly mean: Float32Array
  readonly variance: Float32Array
  readonly lastLoss: Float32Array
  readonly observations: Uint16Array
  readonly metrics: readonly Float32Array[]

  constructor(sampleCount: number, metricCount: number) {
    const bytes = sampleCount * (14 + 4 * metricCount)
    this.buffer = new ArrayBuffer(bytes, { maxByteLength: bytes })
    const floats = (column: number) => new Float32Array(this.buffer, 4 * column * sampleCount, sampleCount)
    this.mean = floats(0)
    this.variance = floats(1)
    this.lastLoss = floats(2)
    this.metrics = Array.from({ length: metricCount }, (_, metric) => floats(3 + metric))
    this.observations = new Uint16Array(this.buffer, (12 + 4 * metricCount) * sampleCount, sampleCount)
  }
}

/** Copies of pieces of the columns that a report changes, each in a slot that is used again once its copy was dropped. */
export class PieceCopies {
  readonly #metricCount: number
  readonly #chunkPieces: number
  /** Of each piece 1 + its slot; 0: none. */
  readonly #slots: Uint32Array
  readonly #chunks: Chunk[] = []
  readonly #free: number[] = []
  /** Slots that were ever used. */
  #end = 0

  constructor(sampleCount: number, metricCount: number) {
    const pieces = Math.ceil(sampleCount / PIECE_SAMPLES)
    this.#metricCount = metricCount
    this.#chunkPieces = Math.min(CHUNK_PIECES, pieces)
    this.#slots = new Uint32Array(pieces)
  }

  /** Memory of the copies. */
  get bytes(): number {
    return this.#chunks.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
  }

  has(piece: number): boolean {
    return (this.#slots[piece] as number) > 0
  }

  /** Copies a piece of which there is no copy. */
  add(piece: number, from: ReportedColumns): void {
    const slot = this.#free.pop() ?? this.#end++
    this.#slots[piece] = slot + 1
    const { chunk, at } = this.#place(slot)
    const start = piece * PIECE_SAMPLES
    copyReported(chunk, at, from, start, Math.min(PIECE_SAMPLES, from.mean.length - start))
  }

  /** Copies samples of a piece that is there, from `offset` in it on. */
  copyTo(to: ReportedColumns, toStart: number, piece: number, offset: number, count: number): void {
    const { chunk, at } = this.#place((this.#slots[piece] as number) - 1)
    copyReported(to, toStart, chunk, at + offset, count)
  }

  drop(piece: number): void {
    this.#free.push((this.#slots[piece] as number) - 1)
    this.#slots[piece] = 0
  }

  /** Gives the memory back now: the collector may take minutes to look for it where nothing else happens. No copy is there any more. */
  release(): void {
    for (const { buffer } of this.#chunks.splice(0)) buffer.resize(0)
    this.#slots.fill(0)
  }

  #place(slot: number): { chunk: ReportedColumns; at: number } {
    const index = Math.floor(slot / this.#chunkPieces)
    const at = (slot - index * this.#chunkPieces) * PIECE_SAMPLES
    let chunk = this.#chunks[index]
    if (!chunk) {
      chunk = new Chunk(this.#chunkPieces * PIECE_SAMPLES, this.#metricCount)
      this.#chunks[index] = chunk
    }
    return { chunk, at }
  }
}

/** Copies `count` samples' columns, from sample `start` of one on to sample `toStart` of the other. */
export function copyReported(
  to: ReportedColumns,
  toStart: number,
  from: ReportedColumns,
  start: number,
  count: number,
): void {
  for (const name of LOSS_COLUMNS) to[name].set(from[name].subarray(start, start + count), toStart)
  for (const [metric, values] of from.metrics.entries()) {
    to.metrics[metric]?.set(values.subarray(start, start + count), toStart)
  }
}

import { emptyColumns, type StatisticsColumns } from './statistics-columns.js'

/** Samples that are copied at once before one of them changes: 14 KiB of losses, so that a report of scattered samples copies little. */
const PIECE_SAMPLES = 1024

type LossColumn = 'mean' | 'variance' | 'lastLoss' | 'observations'
const LOSS_COLUMNS: readonly LossColumn[] = ['mean', 'variance', 'lastLoss', 'observations']

/**
 * Statistics as they were at one moment, read from the first sample to the last while the living ones go on changing: a piece that is
 * about to change is copied first, unless it has been read (copy on write). At most it holds one copy of the columns.
 */
export class StatisticsCapture {
  readonly #living: StatisticsColumns
  readonly #onRelease: () => void
  readonly #losses = new Map<number, Pick<StatisticsColumns, LossColumn>>()
  readonly #kept = new Map<number, Uint16Array>()
  /** Samples below this have been read. */
  #position = 0

  constructor(living: StatisticsColumns, onRelease: () => void) {
    this.#living = living
    this.#onRelease = onRelease
  }

  /** The next samples' columns as they were, at most `count`; empty ones at the end. */
  read(count: number): StatisticsColumns {
    const start = this.#position
    const end = Math.min(start + count, this.#living.mean.length)
    const columns = emptyColumns(end - start)
    for (let at = start; at < end; ) {
      const piece = Math.floor(at / PIECE_SAMPLES)
      const pieceEnd = Math.min((piece + 1) * PIECE_SAMPLES, end)
      this.#copyPiece(columns, piece, at, pieceEnd, start)
      if (pieceEnd === (piece + 1) * PIECE_SAMPLES) {
        this.#losses.delete(piece)
        this.#kept.delete(piece)
      }
      at = pieceEnd
    }
    this.#position = end
    return columns
  }

  /** To be called before the columns of a sample's losses change. */
  beforeLoss(index: number): void {
    const piece = Math.floor(index / PIECE_SAMPLES)
    if (this.#isRead(piece) || this.#losses.has(piece)) return
    const { mean, variance, lastLoss, observations } = this.#living
    const start = piece * PIECE_SAMPLES
    const end = start + PIECE_SAMPLES
    this.#losses.set(piece, {
      mean: mean.slice(start, end),
      variance: variance.slice(start, end),
      lastLoss: lastLoss.slice(start, end),
      observations: observations.slice(start, end),
    })
  }

  /** To be called before a sample's timesKept changes. */
  beforeKept(index: number): void {
    const piece = Math.floor(index / PIECE_SAMPLES)
    if (this.#isRead(piece) || this.#kept.has(piece)) return
    this.#kept.set(piece, this.#living.timesKept.slice(piece * PIECE_SAMPLES, (piece + 1) * PIECE_SAMPLES))
  }

  /** Lets go of the copies: nothing is copied any more. Reading afterwards gives what is there then. */
  release(): void {
    this.#losses.clear()
    this.#kept.clear()
    this.#onRelease()
  }

  #isRead(piece: number): boolean {
    return (piece + 1) * PIECE_SAMPLES <= this.#position
  }

  #copyPiece(columns: StatisticsColumns, piece: number, from: number, to: number, start: number): void {
    const pieceStart = piece * PIECE_SAMPLES
    const losses = this.#losses.get(piece)
    for (const name of LOSS_COLUMNS) {
      const source = losses
        ? losses[name].subarray(from - pieceStart, to - pieceStart)
        : this.#living[name].subarray(from, to)
      columns[name].set(source, from - start)
    }
    const kept = this.#kept.get(piece)?.subarray(from - pieceStart, to - pieceStart)
    columns.timesKept.set(kept ?? this.#living.timesKept.subarray(from, to), from - start)
  }
}

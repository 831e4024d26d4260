import { emptyColumns, type StatisticsColumns } from './statistics-columns.js'

/** Samples that are copied at once before one of them changes: 14 KiB of losses, so that a report of scattered samples copies little. */
const PIECE_SAMPLES = 1024

type LossColumn = 'mean' | 'variance' | 'lastLoss' | 'observations'
const LOSS_COLUMNS: readonly LossColumn[] = ['mean', 'variance', 'lastLoss', 'observations']

/** The columns that a report changes. */
type ReportedColumns = Pick<StatisticsColumns, LossColumn | 'metrics'>

/**
 * Statistics as they were at one moment, read from the first sample to the last while the living ones go on changing: a piece that is
 * about to change is copied first, unless it has been read (copy on write). At most it holds one copy of the columns.
 */
export class StatisticsCapture {
  readonly #living: StatisticsColumns
  readonly #onRelease: () => void
  readonly #reported = new Map<number, ReportedColumns>()
  /** timesKept as it was, from a sample on: a selection changes half of them at once. */
  #kept: { readonly from: number; readonly values: Uint16Array } | undefined
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
    const columns = emptyColumns(end - start, this.#living.metrics.length)
    for (let at = start; at < end; ) {
      const piece = Math.floor(at / PIECE_SAMPLES)
      const pieceEnd = Math.min((piece + 1) * PIECE_SAMPLES, end)
      this.#copyPiece(columns, piece, at, pieceEnd, start)
      if (pieceEnd === (piece + 1) * PIECE_SAMPLES) this.#reported.delete(piece)
      at = pieceEnd
    }
    this.#position = end
    return columns
  }

  /** To be called before the columns that a report changes do so for a sample. */
  beforeReport(index: number): void {
    const piece = Math.floor(index / PIECE_SAMPLES)
    if (this.#isRead(piece) || this.#reported.has(piece)) return
    const { mean, variance, lastLoss, observations, metrics } = this.#living
    const start = piece * PIECE_SAMPLES
    const end = start + PIECE_SAMPLES
    this.#reported.set(piece, {
      mean: mean.slice(start, end),
      variance: variance.slice(start, end),
      lastLoss: lastLoss.slice(start, end),
      observations: observations.slice(start, end),
      metrics: metrics.map((column) => column.slice(start, end)),
    })
  }

  /** To be called before timesKept changes. */
  beforeSelection(): void {
    this.#kept ??= { from: this.#position, values: this.#living.timesKept.slice(this.#position) }
  }

  /** Lets go of the copies: nothing is copied any more. Reading afterwards gives what is there then. */
  release(): void {
    this.#reported.clear()
    this.#kept = undefined
    this.#onRelease()
  }

  #isRead(piece: number): boolean {
    return (piece + 1) * PIECE_SAMPLES <= this.#position
  }

  #copyPiece(columns: StatisticsColumns, piece: number, from: number, to: number, start: number): void {
    const pieceStart = piece * PIECE_SAMPLES
    const copy = this.#reported.get(piece)
    const [source, sourceStart] = copy ? [copy, pieceStart] : [this.#living, 0]
    const copyPart = (target: Float32Array | Uint16Array, values: Float32Array | Uint16Array) =>
      target.set(values.subarray(from - sourceStart, to - sourceStart), from - start)
    for (const name of LOSS_COLUMNS) copyPart(columns[name], source[name])
    columns.metrics.forEach((column, metric) => {
      copyPart(column, source.metrics[metric] as Float32Array)
    })
    const { from: keptFrom, values } = this.#kept ?? { from: 0, values: this.#living.timesKept }
    columns.timesKept.set(values.subarray(from - keptFrom, to - keptFrom), from - start)
  }
}

import type { KeptSet } from '../selection/kept-set.js'
import { copyReported, PIECE_SAMPLES, PieceCopies } from './piece-copies.js'
import { emptyColumns, type StatisticsColumns } from './statistics-columns.js'

/**
 * Statistics as they were at one moment, read from the first sample to the last while the living ones go on changing: a piece that is
 * about to change is copied first, unless it has been read (copy on write). At most it holds one copy of the columns.
 */
export class StatisticsCapture {
  readonly #living: StatisticsColumns
  readonly #onRelease: () => void
  /** From the first report on. */
  #copies: PieceCopies | undefined
  /** What a selection has added to timesKept since: a copy of half of the column, which it changes at once, would stall all else. */
  #added: KeptSet | undefined
  /** timesKept as it was, from a sample on, where `#added` does not tell. */
  #kept: { readonly from: number; readonly values: Uint16Array } | undefined
  /** Samples below this have been read. */
  #position = 0

  constructor(living: StatisticsColumns, onRelease: () => void) {
    this.#living = living
    this.#onRelease = onRelease
  }

  /** The next samples' columns as they were, at most `count`; empty ones at the end. */
  read(count: number): StatisticsColumns {
    const left = this.#living.mean.length - this.#position
    const columns = emptyColumns(Math.min(count, left), this.#living.metrics.length)
    this.readInto(columns)
    return columns
  }

  /** Fills columns with those of the next samples as they were, in memory of the caller. There must be as many left to read. */
  readInto(columns: StatisticsColumns): void {
    const start = this.#position
    const end = start + columns.mean.length
    for (let at = start; at < end; ) {
      const piece = Math.floor(at / PIECE_SAMPLES)
      const isCopied = this.#copies?.has(piece) === true
      const to = isCopied ? Math.min((piece + 1) * PIECE_SAMPLES, end) : this.#endOfLiving(piece, end)
      if (isCopied) this.#copies?.copyTo(columns, at - start, piece, at - piece * PIECE_SAMPLES, to - at)
      else copyReported(columns, at - start, this.#living, at, to - at)
      if (isCopied && to === (piece + 1) * PIECE_SAMPLES) this.#copies?.drop(piece)
      at = to
    }
    this.#copyTimesKept(columns.timesKept, start)
    this.#position = end
  }

  /** To be called before the columns that a report changes do so for a sample. */
  beforeReport(index: number): void {
    const piece = Math.floor(index / PIECE_SAMPLES)
    if (this.#isRead(piece)) return
    const { mean, metrics } = this.#living
    this.#copies ??= new PieceCopies(mean.length, metrics.length)
    if (!this.#copies.has(piece)) this.#copies.add(piece, this.#living)
  }

  /** To be called before a selection adds 1 to timesKept of the samples of a set, `isCapped`: but for those that may be at their most. */
  beforeSelection(keptSet: KeptSet, isCapped: boolean): void {
    if (this.#kept) return
    if (!isCapped && !this.#added) {
      this.#added = keptSet
      return
    }
    const values = new Uint16Array(this.#living.timesKept.length - this.#position)
    this.#copyTimesKept(values, this.#position)
    this.#kept = { from: this.#position, values }
    this.#added = undefined
  }

  /** Lets go of the copies: nothing is copied any more. Reading afterwards gives what is there then. */
  release(): void {
    this.#copies?.release()
    this.#copies = undefined
    this.#kept = undefined
    this.#added = undefined
    this.#onRelease()
  }

  #isRead(piece: number): boolean {
    return (piece + 1) * PIECE_SAMPLES <= this.#position
  }

  #copyTimesKept(to: Uint16Array, start: number): void {
    const { from, values } = this.#kept ?? { from: 0, values: this.#living.timesKept }
    to.set(values.subarray(start - from, start - from + to.length))
    if (this.#added) subtract(to, this.#added, start)
  }

  /** Where the pieces from this one on end of which there is no copy, at most `end`. */
  #endOfLiving(piece: number, end: number): number {
    if (!this.#copies) return end
    let next = piece + 1
    while (next * PIECE_SAMPLES < end && !this.#copies.has(next)) next++
    return Math.min(next * PIECE_SAMPLES, end)
  }
}

/** Takes 1 from the count of each sample in a set; `counts` begins with that of sample `start`. */
function subtract(counts: Uint16Array, { bits }: KeptSet, start: number): void {
  for (let i = 0; i < counts.length; i++) {
    const index = start + i
    counts[i] = (counts[i] as number) - (((bits[index >>> 3] as number) >>> (index & 7)) & 1)
  }
}

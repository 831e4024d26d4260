import type { DiskFile } from './disk.js'
import { Damage } from './file-errors.js'
import { openHeader, sealHeader } from './file-header.js'
import { groupOf, isIntact, numberOf, RECORD_HEADER_BYTES, recordLength, seedOf } from './record.js'

const HEADER = { magic: 'KEEPSETJ', length: 36 }

/** How much is read at once, if no record is longer. */
const PIECE_BYTES = 0x10_0000

/** What a segment says of itself. */
export interface SegmentHeader {
  /** Events of the run before the segment. */
  readonly first: number
  /** Of the lease that wrote it. */
  readonly fence: number
}

/** Events that were read at once, each with the offset of its record in the file. */
export interface SegmentPiece {
  readonly events: readonly { readonly bytes: Uint8Array; readonly offset: number }[]
  /** Offset after the last of them. */
  readonly end: number
}

export function sealSegmentHeader(runId: string, { first, fence }: SegmentHeader): Uint8Array {
  return sealHeader(HEADER, runId, (view) => {
    view.setBigUint64(16, BigInt(first), true)
    view.setBigUint64(24, BigInt(fence), true)
  })
}

/** A segment that is open for reading. */
export class SegmentReader {
  readonly #file: DiskFile
  readonly #path: string
  readonly #runId: string
  readonly #first: number
  readonly #seed: number

  /** `first`: events of the run before the segment, as its name says. */
  constructor(file: DiskFile, path: string, runId: string, first: number) {
    this.#file = file
    this.#path = path
    this.#runId = runId
    this.#first = first
    this.#seed = seedOf(runId, first)
  }

  /** Throws TornHeader where there is no header, Damage where it is that of another segment. */
  async readHeader(): Promise<SegmentHeader> {
    const view = openHeader(HEADER, this.#runId, this.#path, await this.#file.read(0, HEADER.length))
    const first = Number(view.getBigUint64(16, true))
    if (first !== this.#first) throw new Damage(this.#path, 16, `the segment at event ${first} lies under this name`)
    return { first, fence: Number(view.getBigUint64(24, true)) }
  }

  /** The events up to byte `size`, or to the first that is not as it was written. */
  async *readEvents(size: number): AsyncGenerator<SegmentPiece, void, void> {
    let position = HEADER.length
    let count = 0
    while (position < size) {
      const length = Math.min(PIECE_BYTES, size - position)
      let piece = this.#take(await this.#file.read(position, length), position, count)
      if (piece.needed > PIECE_BYTES && position + piece.needed <= size) {
        piece = this.#take(await this.#file.read(position, piece.needed), position, count)
      }
      if (piece.events.length === 0) return
      yield piece
      position = piece.end
      count += piece.events.length
    }
  }

  /** The number of events up to byte `size`, or to the first that is not as it was written, and the offset after them. */
  async measure(size: number): Promise<{ count: number; end: number }> {
    let count = 0
    let end = HEADER.length
    for await (const piece of this.readEvents(size)) {
      count += piece.events.length
      end = piece.end
    }
    return { count, end }
  }

  /**
   * Where a record lies, after `offset`, that was written in a later group than what was written there, and so after that had been synced. Undefined if there is none.
   * It may lie anywhere: bytes may be missing, or too many.
   */
  async findLaterGroup(offset: number, size: number): Promise<number | undefined> {
    for (let position = offset; position < size; position += PIECE_BYTES) {
      // With so many bytes of the next piece that the headers of a record and its event end in this one.
      const bytes = await this.#file.read(position, Math.min(PIECE_BYTES + 64, size - position))
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      for (let at = 0; at < Math.min(PIECE_BYTES, bytes.byteLength); at++) {
        const start = position + at
        const length = recordLength(view, at)
        if (length === undefined || start + length > size || groupOf(view, at) <= offset) continue
        if (isIntact(await this.#file.read(start, length), this.#seed)) return start
      }
    }
    return undefined
  }

  /** The whole records that bytes at `position` begin with, after `count` others. `needed`: the length of the first one, if that is not whole. */
  #take(bytes: Uint8Array, position: number, count: number): SegmentPiece & { needed: number } {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const events: { bytes: Uint8Array; offset: number }[] = []
    for (let at = 0; ; ) {
      const offset = position + at
      const length = recordLength(view, at)
      if (length !== undefined && at + length > bytes.byteLength) {
        return { events, end: offset, needed: at === 0 ? length : 0 }
      }
      if (length === undefined || numberOf(view, at) !== count + events.length)
        return { events, end: offset, needed: 0 }
      const record = bytes.subarray(at, at + length)
      if (!isIntact(record, this.#seed)) return { events, end: offset, needed: 0 }
      events.push({ bytes: record.subarray(RECORD_HEADER_BYTES), offset })
      at += length
    }
  }
}

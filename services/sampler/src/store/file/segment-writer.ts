import { join } from 'node:path'
import type { DiskFile } from './disk.js'
import { sealRecord, seedOf } from './record.js'
import { segmentFile } from './record-files.js'
import type { RecordPlace } from './record-place.js'
import { sealSegmentHeader } from './segment.js'

/** A segment that is being written. After an error it cannot be written on. */
export class SegmentWriter {
  /** Events of the run before the segment. */
  readonly first: number
  readonly #place: RecordPlace
  readonly #file: DiskFile
  readonly #header: Uint8Array
  readonly #seed: number
  #count = 0
  #size = 0

  private constructor(place: RecordPlace, file: DiskFile, first: number, fence: number) {
    this.first = first
    this.#place = place
    this.#file = file
    this.#header = sealSegmentHeader(place.runId, { first, fence })
    this.#seed = seedOf(place.runId, first)
  }

  static async create(place: RecordPlace, first: number, fence: number): Promise<SegmentWriter> {
    const file = await place.disk.createFile(join(place.folder, segmentFile(first).name))
    return new SegmentWriter(place, file, first, fence)
  }

  get size(): number {
    return this.#size
  }

  /** Events of the run up to the end of the segment. */
  get end(): number {
    return this.first + this.#count
  }

  /** Writes a group of open records, and resolves when they are durable. The header goes with the first one. */
  async write(records: readonly Uint8Array[]): Promise<void> {
    const isFirst = this.#size === 0
    for (const [at, record] of records.entries()) sealRecord(record, this.#seed, this.#count + at, this.#size)
    const pieces = isFirst ? [this.#header, ...records] : records
    try {
      await this.#file.append(pieces)
    } catch (error) {
      // Whoever is refused should not find a part of it recorded. Where it cannot be taken back it is a torn tail.
      await this.#file.truncate(this.#size).catch(() => {})
      throw error
    }
    await this.#file.sync()
    if (isFirst) await this.#place.disk.syncDirectory(this.#place.folder)
    for (const { byteLength } of pieces) this.#size += byteLength
    this.#count += records.length
  }

  /** What was written is durable: a close that fails loses nothing. */
  async close(): Promise<void> {
    const { runId, log } = this.#place
    await this.#file.close().catch((err: Error) => log('warn', { runId, err }, 'segment not closed'))
  }
}

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RunEvent } from '../../runs/run-event.js'
import { toStoreError } from './file-errors.js'
import { openRecord } from './record.js'
import { type SegmentFile, segmentFile } from './record-files.js'
import type { RecordPlace } from './record-place.js'
import { SegmentWriter } from './segment-writer.js'

/** Most bytes of a group, if it has more than one record. */
const MAX_GROUP_BYTES = 0x80_0000

/** Offsets in a segment fit into 32 bits; and at recovery the last one is read twice. */
const MAX_SEGMENT_BYTES = 0x1000_0000

/** A file with events, of which some are not needed any more. */
export interface Segment extends SegmentFile {
  /** Events of the run up to its end. */
  readonly end: number
}

/** Records that are written and synced at once. */
interface Group {
  readonly records: Uint8Array[]
  readonly beginsSegment: boolean
  bytes: number
  readonly durable: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes events into segments: all that wait, with one write and one sync, while the next ones gather. After an error nothing more is taken.
 * What it rejects with is a StoreError where the disk is to blame.
 */
export class JournalWriter {
  readonly #place: RecordPlace
  readonly #fence: number
  readonly #maxSegmentBytes: number
  /** Those that are not written to any more, in order. */
  #segments: readonly Segment[]
  #open: SegmentWriter | undefined
  /** Events of the run that are durable. */
  #end: number
  /** Those that are not being written yet, in order. */
  readonly #pending: Group[] = []
  #mustBeginSegment = true
  #writing: Promise<void> | undefined
  #durable: Promise<void> = Promise.resolve()
  #refusal: unknown

  /** `fence` of the lease that writes, `segments` of former ones, and `end`: the events of the run so far. */
  constructor(
    place: RecordPlace,
    fence: number,
    segments: readonly Segment[],
    end: number,
    maxSegmentBytes = MAX_SEGMENT_BYTES,
  ) {
    this.#place = place
    this.#fence = fence
    this.#segments = segments
    this.#end = end
    this.#maxSegmentBytes = maxSegmentBytes
  }

  /** Why nothing more is taken; undefined as long as it is. */
  get refusal(): unknown {
    return this.#refusal
  }

  /** Resolves when everything appended so far is durable; rejects if that will never be. */
  get durable(): Promise<void> {
    return this.#durable
  }

  /** Takes an event, at once. Resolves when it is durable, with all that are written with it: they share the promise. */
  append(event: RunEvent): Promise<void> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    try {
      this.#durable = this.#add(openRecord(event))
    } catch (error) {
      this.#refuse(error)
      this.#durable = Promise.reject(error)
    }
    this.#writing ??= this.#write()
    return this.#durable
  }

  /** Lets the next event begin a segment, so that those before it can go. */
  beginSegment(): void {
    this.#mustBeginSegment = true
  }

  /**
   * Forgets the segments whose events are all before `position`, and answers them: their files can be removed. All events before `position` must be durable,
   * and the next one must have begun a segment, or be about to.
   */
  async dropBefore(position: number): Promise<readonly SegmentFile[]> {
    if (this.#open && this.#open.first < position) await this.#closeSegment()
    const obsolete = this.#segments.filter(({ end }) => end <= position)
    this.#segments = this.#segments.filter(({ end }) => end > position)
    return obsolete
  }

  /** Refuses what is not being written yet, and every later event; resolves when nothing is being written any more. */
  async stop(refusal: unknown): Promise<void> {
    this.#refuse(refusal)
    await this.close()
  }

  /** Resolves when what was appended is durable or refused, and the file is closed. */
  async close(): Promise<void> {
    await this.#writing
    await this.#closeSegment()
  }

  async #write(): Promise<void> {
    for (;;) {
      // What comes in the same turn of the event loop goes along, above all the next events of those who were just answered.
      await nextTurn()
      const group = this.#pending.shift()
      if (!group) break
      try {
        await this.#writeGroup(group)
      } catch (error) {
        this.#refuse(toStoreError(this.#place.runId, error))
        group.reject(this.#refusal)
        break
      }
      group.resolve()
    }
    this.#writing = undefined
  }

  /** Adds a record to the last group, if that can take it, or to one of its own. */
  #add(record: Uint8Array): Promise<void> {
    const last = this.#pending.at(-1)
    const fits = last && !this.#mustBeginSegment && last.bytes + record.byteLength <= MAX_GROUP_BYTES
    const group = fits ? last : this.#beginGroup()
    group.records.push(record)
    group.bytes += record.byteLength
    return group.durable
  }

  #beginGroup(): Group {
    let [resolve, reject]: [() => void, (error: unknown) => void] = [() => {}, () => {}]
    const durable = new Promise<void>((onDurable, onError) => {
      resolve = onDurable
      reject = onError
    })
    const group: Group = { records: [], bytes: 0, beginsSegment: this.#mustBeginSegment, durable, resolve, reject }
    this.#mustBeginSegment = false
    this.#pending.push(group)
    return group
  }

  async #writeGroup({ records, beginsSegment }: Group): Promise<void> {
    const isFull = this.#open !== undefined && this.#open.size >= this.#maxSegmentBytes
    if (beginsSegment || isFull) await this.#closeSegment()
    this.#open ??= await SegmentWriter.create(this.#place, this.#end, this.#fence)
    await this.#open.write(records)
    this.#end += records.length
  }

  async #closeSegment(): Promise<void> {
    const open = this.#open
    if (!open) return
    this.#open = undefined
    this.#segments = [...this.#segments, { ...segmentFile(open.first), end: open.end }]
    await open.close()
  }

  #refuse(refusal: unknown): void {
    this.#refusal ??= refusal
    for (const { reject } of this.#pending.splice(0)) reject(this.#refusal)
  }
}

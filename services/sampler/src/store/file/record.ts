import type { RunEvent } from '../../runs/run-event.js'
import { EVENT_HEADER_BYTES, encodeEvent, eventLength } from '../event-codec.js'
import { crc32c } from './checksum.js'

/**
 * An event in a segment: u32 length of the event's bytes, u32 checksum, u32 offset in the file at which its group begins, u32 number in the segment, the event.
 * A group is what is written and synced at once; the next one is written only after that. The checksum is CRC32C of all that follows in the record,
 * exclusive-or the seed of the segment.
 */
export const RECORD_HEADER_BYTES = 16

const MIN_RECORD_BYTES = RECORD_HEADER_BYTES + EVENT_HEADER_BYTES

/** What ties the records of a segment to it, also where its header cannot be read: it is of the run, and of the events before the segment. */
export function seedOf(runId: string, first: number): number {
  return crc32c(new TextEncoder().encode(`${runId} ${first}`))
}

/** A record whose place is not known yet: to be sealed before it is written. */
export function openRecord(event: RunEvent): Uint8Array {
  return encodeEvent(event, RECORD_HEADER_BYTES)
}

/** Completes a record that is about to be written, as event `number` of its segment, in the group that begins at byte `group`. */
export function sealRecord(record: Uint8Array, seed: number, number: number, group: number): void {
  const view = viewOf(record)
  view.setUint32(0, record.byteLength - RECORD_HEADER_BYTES, true)
  view.setUint32(8, group, true)
  view.setUint32(12, number, true)
  view.setUint32(4, checksum(record, seed), true)
}

/** The bytes that a record which begins at `at` says it has. Undefined where there is none: its length and the header of its event do not agree. */
export function recordLength(view: DataView, at: number): number | undefined {
  if (at + MIN_RECORD_BYTES > view.byteLength) return undefined
  const length = view.getUint32(at, true)
  return eventLength(view, at + RECORD_HEADER_BYTES) === length ? RECORD_HEADER_BYTES + length : undefined
}

export const groupOf = (view: DataView, at: number) => view.getUint32(at + 8, true)

export const numberOf = (view: DataView, at: number) => view.getUint32(at + 12, true)

/** Whether the bytes are a record of the segment as it was written. */
export function isIntact(record: Uint8Array, seed: number): boolean {
  return viewOf(record).getUint32(4, true) === checksum(record, seed)
}

const checksum = (record: Uint8Array, seed: number) => (crc32c(record.subarray(8)) ^ seed) >>> 0

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

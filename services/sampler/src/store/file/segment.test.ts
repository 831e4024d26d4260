import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { RunEvent } from '../../runs/run-event.js'
import { decodeEvent } from '../event-codec.js'
import type { DiskFile } from './disk.js'
import { Damage, TornHeader } from './file-errors.js'
import { openRecord, sealRecord, seedOf } from './record.js'
import { SegmentReader, sealSegmentHeader } from './segment.js'
import { edit, readSegment, recordPlace, writeSegment } from './testing/record-folder.js'
import { reportOf, sequencesOf } from './testing/run-events.js'
import { removeTemporaryFolders } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

const HEADER_BYTES = 36
/** Of a report of 2 losses. */
const RECORD_BYTES = 16 + 24 + 16

/** A file of these bytes that can only be read. */
function fileOf(bytes: Uint8Array, reads: number[] = []): DiskFile {
  const refuse = async () => {
    throw new Error('only for reading')
  }
  const read = async (position: number, length: number) => {
    reads.push(length)
    return bytes.slice(position, position + length)
  }
  return {
    size: async () => bytes.byteLength,
    read,
    append: refuse,
    truncate: refuse,
    sync: refuse,
    close: async () => {},
  }
}

/** The bytes of a segment that begins after `first` events. */
function segmentOf(groups: readonly (readonly RunEvent[])[], first = 0, runId = 'run'): Buffer {
  const pieces = [sealSegmentHeader(runId, { first, fence: 3 })]
  let size = 0
  let number = 0
  for (const group of groups) {
    const records = group.map(openRecord)
    for (const record of records) sealRecord(record, seedOf(runId, first), number++, size)
    pieces.push(...records)
    size = Buffer.concat(pieces).byteLength
  }
  return Buffer.concat(pieces)
}

const readerOf = (bytes: Uint8Array, { runId = 'run', first = 0 } = {}) =>
  new SegmentReader(fileOf(bytes), '/segment', runId, first)

/** What can be read of a segment, and where that ends. */
async function contentOf(bytes: Uint8Array, place?: { runId?: string; first?: number }) {
  const events: RunEvent[] = []
  let end = HEADER_BYTES
  for await (const piece of readerOf(bytes, place).readEvents(bytes.byteLength)) {
    events.push(...piece.events.map(({ bytes }) => decodeEvent(bytes)))
    end = piece.end
  }
  return { sequences: sequencesOf(events), end }
}

const threeGroups = [[reportOf(1)], [reportOf(2), reportOf(3)], [reportOf(4), reportOf(5), reportOf(6)]]

describe('a segment', () => {
  it('gives its header and its events back, from a file', async () => {
    const place = await recordPlace()
    const path = await writeSegment(place, 7, threeGroups, 5)
    expect(await readSegment(place, path, 7, (reader) => reader.readHeader())).toEqual({ first: 7, fence: 5 })
    const measured = await readSegment(place, path, 7, (reader, size) => reader.measure(size))
    expect(measured).toEqual({ count: 6, end: HEADER_BYTES + 6 * RECORD_BYTES })
    expect((await contentOf(await readFile(path), { first: 7 })).sequences).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('is of the format', () => {
    // Made by a program of its own, from docs/reference/storage.md.
    const expected = [
      '4b4545505345544a' + '01000000' + '59f64756' + '0700000000000000' + '0300000000000000' + '61213a84',
      '28000000' + '3c059949' + '00000000' + '00000000',
      '04000000' + '0000000000488f40' + '00000000' + '02000000' + '01000000' + '0100000002000000' + '0000803f00000040',
      '28000000' + '00abff62' + '5c000000' + '01000000',
      '04000000' + '0000000000508f40' + '00000000' + '02000000' + '02000000' + '0200000003000000' + '0000004000004040',
    ]
    expect(segmentOf([[reportOf(1)], [reportOf(2)]], 7).toString('hex')).toBe(expected.join(''))
  })

  it('is read in pieces, also where a record is longer than a piece', async () => {
    const counts = [3, 400_000, 5, 90_000, 90_000, 90_000, 1]
    const bytes = segmentOf([counts.map((count, i) => reportOf(i + 1, count))])
    const reads: number[] = []
    const found: number[] = []
    const reader = new SegmentReader(fileOf(bytes, reads), '/segment', 'run', 0)
    for await (const { events } of reader.readEvents(bytes.byteLength)) {
      for (const { bytes } of events) {
        const event = decodeEvent(bytes)
        if (event.type !== 'losses_reported') continue
        found.push(event.indices.length)
        // Where records lie in the file is such that nothing has to be copied.
        expect(event.indices.buffer === bytes.buffer && event.losses.buffer === bytes.buffer).toBe(true)
      }
    }
    expect(found).toEqual(counts)
    expect(reads.length).toBeLessThan(12)
    expect(Math.max(...reads)).toBe(16 + 24 + 8 * 400_000)
  })
})

describe('a segment that is cut', () => {
  it('is whole up to there', async () => {
    const bytes = segmentOf(threeGroups)
    for (let length = HEADER_BYTES; length < bytes.byteLength; length++) {
      const whole = Math.floor((length - HEADER_BYTES) / RECORD_BYTES)
      const { sequences, end } = await contentOf(bytes.subarray(0, length))
      expect(sequences).toEqual([1, 2, 3, 4, 5, 6].slice(0, whole))
      expect(end).toBe(HEADER_BYTES + whole * RECORD_BYTES)
      expect(await readerOf(bytes.subarray(0, length)).findLaterGroup(end, length)).toBe(undefined)
    }
  })

  it('has a torn header if it ends before that does', async () => {
    const bytes = segmentOf(threeGroups)
    for (let length = 0; length < HEADER_BYTES; length++) {
      const reading = readerOf(bytes.subarray(0, length)).readHeader()
      await expect(reading).rejects.toThrow(new TornHeader('/segment', length, 'the header of 36 bytes is cut off'))
    }
  })
})

describe('a byte that is not what was written', () => {
  /** Where groups begin. */
  const groups = [HEADER_BYTES, HEADER_BYTES + RECORD_BYTES, HEADER_BYTES + 3 * RECORD_BYTES]

  it('ends the reading before its record, and what was written after its group tells so', async () => {
    const whole = segmentOf(threeGroups)
    for (let at = HEADER_BYTES; at < whole.byteLength; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const bytes = Buffer.from(whole)
        bytes[at] = (bytes[at] as number) ^ flip
        const number = Math.floor((at - HEADER_BYTES) / RECORD_BYTES)
        const { sequences, end } = await contentOf(bytes)
        expect(sequences).toEqual([1, 2, 3, 4, 5, 6].slice(0, number))
        expect(await readerOf(bytes).findLaterGroup(end, bytes.byteLength)).toBe(groups.find((group) => group > at))
      }
    }
  })

  it('is told in the header, and the groups after it, too', async () => {
    const whole = segmentOf(threeGroups)
    for (let at = 0; at < HEADER_BYTES; at++) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] as number) ^ 0x10
      const error = await readerOf(bytes)
        .readHeader()
        .catch((error: unknown) => error)
      expect(error).toBeInstanceOf(Damage)
      // A version that is not known may be that of a newer program, whose file must not be cut.
      expect(error instanceof TornHeader).toBe(at < 8 || at >= 12)
      expect(await readerOf(bytes).findLaterGroup(0, bytes.byteLength)).toBe(groups[1])
    }
  })

  it('is told in a record of any kind, wherever it is', () => {
    const lengths = fc.array(fc.nat(20), { minLength: 1, maxLength: 8 })
    return fc.assert(
      fc.asyncProperty(lengths, fc.nat(), fc.integer({ min: 1, max: 255 }), async (counts, place, flip) => {
        const bytes = segmentOf(counts.map((count, i) => [reportOf(i + 1, count)]))
        const at = HEADER_BYTES + (place % (bytes.byteLength - HEADER_BYTES))
        bytes[at] = (bytes[at] as number) ^ flip
        const { sequences, end } = await contentOf(bytes)
        expect(sequences).toEqual(counts.map((_, i) => i + 1).slice(0, sequences.length))
        expect(end).toBeLessThanOrEqual(at)
        const later = await readerOf(bytes).findLaterGroup(end, bytes.byteLength)
        expect(later === undefined).toBe(sequences.length === counts.length - 1)
      }),
    )
  })
})

describe('a record in another place', () => {
  const bytes = segmentOf(threeGroups)
  const record = (number: number) => bytes.subarray(HEADER_BYTES + number * RECORD_BYTES).subarray(0, RECORD_BYTES)

  it.each([
    ['twice', [0, 1, 1, 2], 2],
    ['missing', [0, 2], 1],
    ['in the place of its neighbour', [0, 2, 1], 1],
  ])('ends the reading: %s', async (_, numbers, whole) => {
    const moved = Buffer.concat([bytes.subarray(0, HEADER_BYTES), ...numbers.map(record)])
    expect((await contentOf(moved)).sequences).toEqual([1, 2, 3].slice(0, whole))
  })

  it.each([
    ['run', segmentOf(threeGroups, 0, 'other')],
    ['segment', segmentOf(threeGroups, 6)],
  ])('is none if it is of another %s', async (_, other) => {
    const mixed = Buffer.concat([
      bytes.subarray(0, HEADER_BYTES + RECORD_BYTES),
      other.subarray(HEADER_BYTES + RECORD_BYTES),
    ])
    const { sequences, end } = await contentOf(mixed)
    expect(sequences).toEqual([1])
    expect(await readerOf(mixed).findLaterGroup(end, mixed.byteLength)).toBe(undefined)
  })

  it('tells that it was written later, wherever it lies', async () => {
    const last = bytes.subarray(HEADER_BYTES + 3 * RECORD_BYTES)
    for (const gap of [0, 1, 2, 3, 5, 1000]) {
      const moved = Buffer.concat([bytes.subarray(0, HEADER_BYTES + RECORD_BYTES), Buffer.alloc(gap, 9), last])
      const { end } = await contentOf(moved)
      const offset = HEADER_BYTES + RECORD_BYTES + gap
      expect(await readerOf(moved).findLaterGroup(end, moved.byteLength)).toBe(offset)
    }
  })

  it('tells it also from far away', async () => {
    for (const gap of [0x10_0000 - 40, 0x10_0000 - 4, 0x10_0000, 0x20_0000 - 17]) {
      const moved = Buffer.concat([bytes.subarray(0, HEADER_BYTES + RECORD_BYTES), Buffer.alloc(gap), record(5)])
      const offset = HEADER_BYTES + RECORD_BYTES + gap
      expect(await readerOf(moved).findLaterGroup(HEADER_BYTES + RECORD_BYTES, moved.byteLength)).toBe(offset)
    }
  })
})

describe('a segment under another name', () => {
  it('is told by its header, and none of its events is read', async () => {
    const place = await recordPlace()
    const path = await writeSegment(place, 7, threeGroups)
    const reading = readSegment(place, path, 8, (reader) => reader.readHeader())
    await expect(reading).rejects.toThrow(`${path}, byte 16: the segment at event 7 lies under this name`)
    const ofOther = readSegment({ ...place, runId: 'other' }, path, 7, (reader) => reader.readHeader())
    await expect(ofOther).rejects.toThrow(`${path}, byte 12: the file belongs to another run than "other"`)
    const bytes = await readFile(path)
    expect((await contentOf(bytes, { first: 8 })).sequences).toEqual([])
    expect((await contentOf(bytes, { first: 7, runId: 'other' })).sequences).toEqual([])
  })

  it('of a newer format says so', async () => {
    const place = await recordPlace()
    const path = await writeSegment(place, 0, threeGroups)
    await edit(path, (bytes) => {
      bytes.writeUInt32LE(2, 8)
      return bytes
    })
    const reading = readSegment(place, path, 0, (reader) => reader.readHeader())
    await expect(reading).rejects.toThrow(
      `${path}, byte 8: the format is 2, and this version of Keepset reads 1: written by a newer version, or damaged`,
    )
  })
})

it('zeros after the last record are no records', async () => {
  const bytes = Buffer.concat([segmentOf(threeGroups), Buffer.alloc(4096)])
  const { sequences, end } = await contentOf(bytes)
  expect(sequences).toHaveLength(6)
  expect(await readerOf(bytes).findLaterGroup(end, bytes.byteLength)).toBe(undefined)
})

it('a length that was never written makes nobody read more than the file has', async () => {
  const bytes = segmentOf(threeGroups)
  const reads: number[] = []
  for (const [length, count] of [
    [0xffff_ffff, 0x2000_0000],
    [24 + 8 * 0x1fff_fff0, 0x1fff_fff0],
    [24 + 8 * 100, 100],
  ] as const) {
    bytes.writeUInt32LE(length, HEADER_BYTES)
    bytes.writeUInt32LE(count, HEADER_BYTES + 16 + 16)
    const reader = new SegmentReader(fileOf(bytes, reads), '/segment', 'run', 0)
    expect(await reader.measure(bytes.byteLength)).toEqual({ count: 0, end: HEADER_BYTES })
  }
  expect(Math.max(...reads)).toBeLessThanOrEqual(bytes.byteLength)
})

import { copyFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { RunEvent } from '../../runs/run-event.js'
import { Damage } from './file-errors.js'
import { segmentFile } from './record-files.js'
import type { RecordPlace } from './record-place.js'
import { readEvents } from './record-reader.js'
import { recoverRecord } from './recover-record.js'
import { hasEvents, surveyRecord } from './survey-record.js'
import { edit, recordPlace, writeNamedSnapshot, writeSegment } from './testing/record-folder.js'
import { reportOf, sequencesOf } from './testing/run-events.js'
import { systemError } from './testing/scripted-disk.js'
import { removeTemporaryFolders } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

const HEADER_BYTES = 36
const RECORD_BYTES = 16 + 24 + 16

const reports = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => reportOf(from + i))

/** Recovers a record and reads its events; a position is that of the report with the next sequence. */
async function recover(place: RecordPlace) {
  const glance = await hasEvents(place, await surveyRecord(place))
  const record = await recoverRecord(place)
  const events: RunEvent[] = []
  for await (const event of readEvents(place, record)) events.push(event)
  expect(glance).toBe(events.length > 0)
  expect(record.end).toBe(record.position + events.length)
  return { ...record, sequences: sequencesOf(events) }
}

const segments = async (folder: string) => (await readdir(folder)).filter((name) => name.endsWith('.journal')).sort()

/** What recovery says of a record that it cannot recover. */
async function damageOf(place: RecordPlace): Promise<string> {
  const error = await recover(place).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(Damage)
  return (error as Error).message
}

describe('a record', () => {
  it('is its newest snapshot and the events after it, in all segments', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0, 0, 1)
    await writeNamedSnapshot(place, 2, 3, 1, 5)
    await writeSegment(place, 0, [reports(1, 3)], 2)
    await writeSegment(place, 3, [reports(4, 4), reports(5, 6)], 5)
    await writeSegment(place, 6, [reports(7, 8)], 7)
    await writeFile(join(place.folder, '00000003.snapshot.7.tmp'), 'half')
    await writeFile(join(place.folder, 'notes.txt'), 'mine')
    const found = await recover(place)
    expect(found).toMatchObject({ sequences: [4, 5, 6, 7, 8], position: 3, end: 8, fence: 7 })
    expect(found.snapshots.map(({ serial }) => serial)).toEqual([1, 2])
    expect(found.segments.map(({ first, end }) => [first, end])).toEqual([
      [0, 3],
      [3, 6],
      [6, 8],
    ])
    const names = await readdir(place.folder)
    expect(names).toContain('notes.txt')
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([])
    expect(place.lines).toEqual([])
  })

  it('may have no events, or none after the snapshot, or some within a segment', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0, 0, 4)
    expect(await recover(place)).toMatchObject({ sequences: [], end: 0, fence: 4 })
    await writeSegment(place, 0, [reports(1, 5)], 2)
    expect(await recover(place)).toMatchObject({ sequences: [1, 2, 3, 4, 5], end: 5, fence: 4 })
    await writeNamedSnapshot(place, 2, 3)
    expect(await recover(place)).toMatchObject({ sequences: [4, 5], position: 3, end: 5 })
    await writeNamedSnapshot(place, 3, 5)
    expect(await recover(place)).toMatchObject({ sequences: [], position: 5, end: 5 })
    // The events that it covers may have gone, and others have stayed.
    await writeNamedSnapshot(place, 4, 9)
    expect(await recover(place)).toMatchObject({ sequences: [], position: 9, end: 9 })
  })

  it('is made durable before it is read: a process may have written what it did not sync', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0)
    const path = await writeSegment(place, 0, [reports(1, 2)])
    const before = place.disk.calls.length
    await recoverRecord(place)
    const syncs = place.disk.calls.slice(before).filter(({ operation }) => operation.startsWith('sync'))
    expect(syncs).toEqual([
      { operation: 'sync', path },
      { operation: 'syncDirectory', path: place.folder },
    ])
  })
})

describe('a torn tail', () => {
  it.each([
    ['cut within the last record', (bytes: Buffer) => bytes.subarray(0, -3), [1, 2, 3]],
    ['cut within the last group', (bytes: Buffer) => bytes.subarray(0, -RECORD_BYTES - 3), [1, 2]],
    ['zeros', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(100)]), [1, 2, 3, 4]],
    ['garbage', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(101, 0xa5)]), [1, 2, 3, 4]],
    [
      'a hole in the last group',
      (bytes: Buffer) => bytes.fill(0, HEADER_BYTES + 2 * RECORD_BYTES, HEADER_BYTES + 3 * RECORD_BYTES),
      [1, 2],
    ],
  ])('is cut, and logged: %s', async (_, tear, sequences) => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0)
    const path = await writeSegment(place, 0, [reports(1, 2), reports(3, 4)])
    await edit(path, tear)
    const { size } = await stat(path)
    const offset = HEADER_BYTES + sequences.length * RECORD_BYTES
    expect(await recover(place)).toMatchObject({ sequences, end: sequences.length })
    const facts = { runId: 'run', file: path, offset, bytes: size - offset }
    expect(place.lines).toEqual([{ level: 'warn', message: 'torn tail cut', facts }])
    expect((await stat(path)).size).toBe(offset)
    // What was left is synced after the cut, and stays.
    expect(place.disk.calls.map(({ operation }) => operation).lastIndexOf('sync')).toBeGreaterThan(
      place.disk.calls.map(({ operation }) => operation).lastIndexOf('truncate'),
    )
    expect((await recover(place)).sequences).toEqual(sequences)
    expect(place.lines).toHaveLength(1)
  })

  it.each([
    ['nothing', (bytes: Buffer) => bytes.subarray(0, 0)],
    ['a part of the header', (bytes: Buffer) => bytes.subarray(0, 20)],
    ['the header', (bytes: Buffer) => bytes.subarray(0, HEADER_BYTES)],
    ['a part of its only group', (bytes: Buffer) => bytes.subarray(0, HEADER_BYTES + 9)],
    ['zeros', (bytes: Buffer) => bytes.fill(0)],
    ['its only group without the header', (bytes: Buffer) => bytes.fill(0, 0, 30)],
  ])('that leaves no event takes the segment along, of which there is %s', async (_, tear) => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0)
    await writeSegment(place, 0, [reports(1, 2)])
    await edit(await writeSegment(place, 2, [reports(3, 4)]), tear)
    expect(await recover(place)).toMatchObject({ sequences: [1, 2], end: 2 })
    expect(await segments(place.folder)).toEqual([segmentFile(0).name])
    expect(await recover(place)).toMatchObject({ sequences: [1, 2], end: 2 })
  })
})

describe('a damaged record is told with file and offset, and nothing of it is cut', () => {
  it('where something that was written later can be read', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0)
    const path = await writeSegment(place, 0, [reports(1, 1), reports(2, 2), reports(3, 3)])
    await edit(path, (bytes) => bytes.fill(0xff, HEADER_BYTES + RECORD_BYTES + 20, HEADER_BYTES + RECORD_BYTES + 21))
    const [second, third] = [1, 2].map((number) => HEADER_BYTES + number * RECORD_BYTES)
    expect(await damageOf(place)).toBe(
      `${path}, byte ${second}: not what was written here, although what was written later, at byte ${third}, is`,
    )
    await edit(path, (bytes) => bytes.fill(0, 0, 8))
    expect(await damageOf(place)).toBe(
      `${path}, byte 0: not what was written here, although what was written later, at byte ${third}, is`,
    )
    expect((await stat(path)).size).toBe(HEADER_BYTES + 3 * RECORD_BYTES)
  })

  it('where it is not in the last segment', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0)
    const path = await writeSegment(place, 0, [reports(1, 2)])
    await writeSegment(place, 2, [reports(3, 3)])
    await edit(path, (bytes) => bytes.subarray(0, -1))
    const offset = HEADER_BYTES + RECORD_BYTES
    expect(await damageOf(place)).toBe(`${path}, byte ${offset}: not what was written here, after 1 of 2 events`)
    await edit(path, (bytes) => bytes.subarray(0, 10))
    expect(await damageOf(place)).toBe(`${path}, byte 10: the header of 36 bytes is cut off`)
  })

  it('where a segment is missing, or has more than it had', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 2)
    const path = await writeSegment(place, 3, [reports(4, 6)])
    expect(await damageOf(place)).toBe(
      `${path}, byte 0: begins at event 3, but the newest snapshot ends at event 2: those between are missing`,
    )
    await writeNamedSnapshot(place, 2, 3)
    await writeSegment(place, 5, [reports(6, 7)])
    expect(await damageOf(place)).toBe(
      `${path}, byte ${HEADER_BYTES + 2 * RECORD_BYTES}: more than the 2 events that the segment had`,
    )
    await writeSegment(place, 9, [reports(10, 10)])
    await writeSegment(place, 6, [reports(7, 8)])
    expect(await damageOf(place)).toMatch(/more than the 2 events/)
  })

  it('where it has no snapshot, or the newest one is not what was written', async () => {
    const place = await recordPlace()
    await writeSegment(place, 0, [reports(1, 2)])
    expect(await damageOf(place)).toBe(`${place.folder}, byte 0: there is no snapshot in the folder`)
    await writeNamedSnapshot(place, 1, 0)
    const path = await writeNamedSnapshot(place, 2, 1)
    await edit(path, (bytes) => bytes.fill(0, 20, 21).fill(1, 16, 17).fill(9, 17, 18))
    expect(await damageOf(place)).toBe(`${path}, byte 0: the checksum of the header does not match`)
  })

  it('where a file is of a newer format, as the last one, too', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0)
    const path = await writeSegment(place, 0, [reports(1, 2)])
    await edit(path, (bytes) => {
      bytes.writeUInt32LE(2, 8)
      return bytes.subarray(0, 40)
    })
    expect(await damageOf(place)).toMatch(/byte 8: the format is 2, .* written by a newer version/)
    expect((await stat(path)).size).toBe(40)
  })

  it('where a segment lies under the name of another', async () => {
    const place = await recordPlace()
    await writeNamedSnapshot(place, 1, 0)
    const path = await writeSegment(place, 0, [reports(1, 2)])
    await copyFile(path, join(place.folder, segmentFile(2).name))
    expect(await damageOf(place)).toMatch(/000000000002\.journal, byte 16: the segment at event 0 lies under this name/)
  })
})

it('an unfinished snapshot that cannot be removed is logged, and hinders nothing', async () => {
  const place = await recordPlace()
  await writeNamedSnapshot(place, 1, 0)
  await writeFile(join(place.folder, 'x.tmp'), '')
  place.disk.before = ({ operation }) => {
    if (operation === 'remove') throw systemError('EPERM')
  }
  expect(await recover(place)).toMatchObject({ end: 0 })
  expect(place.lines).toMatchObject([{ level: 'warn', message: 'unfinished snapshot not removed' }])
})

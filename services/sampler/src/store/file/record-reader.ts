import { join } from 'node:path'
import type { RunEvent } from '../../runs/run-event.js'
import { decodeEvent } from '../event-codec.js'
import { Damage } from './file-errors.js'
import type { SnapshotFile } from './record-files.js'
import type { RecordPlace } from './record-place.js'
import type { RecoveredRecord } from './recover-record.js'
import { SegmentReader } from './segment.js'
import { readImage } from './snapshot.js'

/** The image in the file of a snapshot. */
export async function* readImageFile(
  place: RecordPlace,
  snapshot: SnapshotFile,
): AsyncGenerator<Uint8Array, void, void> {
  const path = join(place.folder, snapshot.name)
  const file = await place.disk.openFile(path)
  try {
    yield* readImage(file, place.runId, path, snapshot)
  } finally {
    await file.close()
  }
}

/** The events after the newest snapshot. Throws Damage where one is missing. */
export async function* readEvents(place: RecordPlace, record: RecoveredRecord): AsyncGenerator<RunEvent, void, void> {
  for (const { name, first, end } of record.segments) {
    if (end <= record.position) continue
    const path = join(place.folder, name)
    const file = await place.disk.openFile(path)
    try {
      let position = first
      let readTo = 0
      const reader = new SegmentReader(file, path, place.runId, first)
      for await (const piece of reader.readEvents(await file.size())) {
        for (const { bytes, offset } of piece.events) {
          if (position >= end)
            throw new Damage(path, offset, `more than the ${end - first} events that the segment had`)
          if (position >= record.position) yield decode(path, bytes, offset)
          position++
        }
        readTo = piece.end
      }
      if (position < end) {
        throw new Damage(path, readTo, `not what was written here, after ${position - first} of ${end - first} events`)
      }
    } finally {
      await file.close()
    }
  }
}

function decode(path: string, bytes: Uint8Array, offset: number): RunEvent {
  try {
    return decodeEvent(bytes)
  } catch (error) {
    throw new Damage(path, offset, (error as Error).message)
  }
}

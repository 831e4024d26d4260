import { join } from 'node:path'
import { Damage, TornHeader } from './file-errors.js'
import type { Segment } from './journal-writer.js'
import type { SegmentFile, SnapshotFile } from './record-files.js'
import type { RecordPlace } from './record-place.js'
import { type SegmentHeader, SegmentReader } from './segment.js'
import { surveyRecord } from './survey-record.js'
import { withFile } from './with-file.js'

/** A record that is ready to be read and to be written on. */
export interface RecoveredRecord {
  /** In the order in which they were saved. */
  readonly snapshots: readonly SnapshotFile[]
  /** In order. Some may be obsolete. */
  readonly segments: readonly Segment[]
  /** Events of the run that the newest snapshot covers. */
  readonly position: number
  /** Events of the run. */
  readonly end: number
  /** The highest fence that anything was written with. */
  readonly fence: number
}

/**
 * Makes the files of a run what they were when the last acknowledgement was given, or later: cuts off what was not written to its end. All that is left is
 * durable, also what a process wrote that ended before it was synced. Throws Damage where the run cannot be recovered.
 */
export async function recoverRecord(place: RecordPlace): Promise<RecoveredRecord> {
  const { disk, folder, runId, log } = place
  const { snapshots, segments, unfinished, header, journal } = await surveyRecord(place)
  const { position } = header
  const last = journal.at(-1)
  const fences = [header.fence]
  for (const segment of journal.slice(0, -1)) fences.push((await readHeader(place, segment)).fence)
  const tail = last && (await recoverTail(place, last))
  if (tail) fences.push(tail.fence)
  await disk.syncDirectory(folder)
  for (const name of unfinished) {
    const path = join(folder, name)
    await disk.remove(path).catch((err: Error) => log('warn', { runId, err }, 'unfinished snapshot not removed'))
  }
  const ended: Segment[] = segments
    .slice(0, -1)
    .map((file, at) => ({ ...file, end: segments[at + 1]?.first as number }))
  return {
    snapshots,
    segments: tail ? [...ended, tail] : ended,
    position,
    end: Math.max(position, tail?.end ?? last?.first ?? 0),
    fence: Math.max(...fences),
  }
}

function readHeader({ runId, disk, folder }: RecordPlace, { name, first }: SegmentFile): Promise<SegmentHeader> {
  const path = join(folder, name)
  return withFile(disk, path, (file) => new SegmentReader(file, path, runId, first).readHeader())
}

/**
 * The last segment without a torn tail: what cannot be read at its end was never acknowledged, unless something that was written later can be. Undefined, and the
 * file removed, if nothing is left.
 */
async function recoverTail(place: RecordPlace, segment: SegmentFile): Promise<(Segment & SegmentHeader) | undefined> {
  const { disk, folder, runId, log } = place
  const path = join(folder, segment.name)
  const recovered = await withFile(disk, path, async (file) => {
    const size = await file.size()
    const reader = new SegmentReader(file, path, runId, segment.first)
    const header = await reader.readHeader().catch((error: unknown) => {
      if (error instanceof TornHeader) return undefined
      throw error
    })
    const { count, end } = header ? await reader.measure(size) : { count: 0, end: 0 }
    if (end < size) {
      const later = await reader.findLaterGroup(end, size)
      if (later !== undefined) {
        throw new Damage(path, end, `not what was written here, although what was written later, at byte ${later}, is`)
      }
      log('warn', { runId, file: path, offset: end, bytes: size - end }, 'torn tail cut')
    }
    if (!header || count === 0) return undefined
    if (end < size) await file.truncate(end)
    await file.sync()
    return { ...segment, fence: header.fence, end: segment.first + count }
  })
  if (!recovered) await disk.remove(path)
  return recovered
}

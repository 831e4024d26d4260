import { join } from 'node:path'
import { Damage } from './file-errors.js'
import { type RecordFiles, type SegmentFile, type SnapshotFile, sortFiles } from './record-files.js'
import type { RecordPlace } from './record-place.js'
import { SegmentReader } from './segment.js'
import { readSnapshotHeader, type SnapshotHeader } from './snapshot.js'
import { withFile } from './with-file.js'

/** The files of a run, and what the newest snapshot says of itself. */
export interface SurveyedRecord extends RecordFiles {
  readonly newest: SnapshotFile
  readonly header: SnapshotHeader
  /** The segments that can have events after the newest snapshot. */
  readonly journal: readonly SegmentFile[]
}

/** Looks at the files of a run. Throws Damage where it cannot be recovered from them. */
export async function surveyRecord({ runId, disk, folder }: RecordPlace): Promise<SurveyedRecord> {
  const files = sortFiles(await disk.list(folder))
  const newest = files.snapshots.at(-1)
  if (!newest) throw new Damage(folder, 0, 'there is no snapshot in the folder')
  const path = join(folder, newest.name)
  const header = await withFile(disk, path, (file) => readSnapshotHeader(file, runId, path, newest))
  const { position } = header
  const begin = files.segments.findLastIndex(({ first }) => first <= position)
  const journal = files.segments.slice(Math.max(0, begin))
  const [oldest] = journal
  if (oldest && oldest.first > position) {
    const what = `begins at event ${oldest.first}, but the newest snapshot ends at event ${position}: those between are missing`
    throw new Damage(join(folder, oldest.name), 0, what)
  }
  return { ...files, newest, header, journal }
}

/** Whether events follow the newest snapshot, or something that only opening the record can judge. */
export async function hasEvents(place: RecordPlace, { header, journal }: SurveyedRecord): Promise<boolean> {
  const { runId, disk, folder } = place
  const last = journal.at(-1)
  if (!last) return false
  if (last.first > header.position) return true
  const path = join(folder, last.name)
  return withFile(disk, path, async (file) => {
    const size = await file.size()
    let position = last.first
    let readTo = 0
    for await (const { events, end } of new SegmentReader(file, path, runId, last.first).readEvents(size)) {
      position += events.length
      readTo = end
      if (position > header.position) return true
    }
    return readTo < size
  })
}

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunEvent } from '../../../runs/run-event.js'
import { openRecord } from '../record.js'
import { segmentFile, snapshotFile } from '../record-files.js'
import type { RecordPlace } from '../record-place.js'
import { SegmentReader } from '../segment.js'
import { SegmentWriter } from '../segment-writer.js'
import { writeSnapshot } from '../snapshot.js'
import { withFile } from '../with-file.js'
import { ScriptedDisk } from './scripted-disk.js'
import { temporaryFolder } from './temporary-folder.js'

/** A line that was logged. */
export interface LogLine {
  readonly level: string
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** A place for the record of a run in a folder of its own, and what is logged about it. */
export async function recordPlace(runId = 'run'): Promise<RecordPlace & { disk: ScriptedDisk; lines: LogLine[] }> {
  const lines: LogLine[] = []
  const log: RecordPlace['log'] = (level, facts, message) => lines.push({ level, message, facts: { ...facts } })
  return { runId, disk: new ScriptedDisk(), folder: await temporaryFolder(), log, lines }
}

/** Writes a segment of so many groups of events, and answers its path. */
export async function writeSegment(
  place: RecordPlace,
  first: number,
  groups: readonly (readonly RunEvent[])[],
  fence = 1,
): Promise<string> {
  const writer = await SegmentWriter.create(place, first, fence)
  for (const group of groups) await writer.write(group.map(openRecord))
  await writer.close()
  return join(place.folder, segmentFile(first).name)
}

/** Writes a snapshot whose image is its name. */
export async function writeNamedSnapshot(
  place: RecordPlace,
  serial: number,
  position: number,
  epochStart?: number,
  fence = 1,
): Promise<string> {
  const file = snapshotFile(serial, epochStart)
  const path = join(place.folder, file.name)
  await writeSnapshot(place, path, { ...file, position, fence }, [new TextEncoder().encode(file.name)])
  return path
}

/** Puts other bytes in the place of a file's. */
export async function edit(path: string, change: (bytes: Buffer) => Uint8Array | undefined): Promise<void> {
  const bytes = await readFile(path)
  await writeFile(path, change(bytes) ?? bytes)
}

/** Works with the reader of a segment. */
export function readSegment<T>(
  { disk, runId }: RecordPlace,
  path: string,
  first: number,
  work: (reader: SegmentReader, size: number) => Promise<T>,
): Promise<T> {
  return withFile(disk, path, async (file) => work(new SegmentReader(file, path, runId, first), await file.size()))
}

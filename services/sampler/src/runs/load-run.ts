import { ByteReader } from './image/byte-reader.js'
import type { ImageHeader } from './image/image-header.js'
import { readImageBody, readImageHeader } from './image/read-image.js'
import { imageOf } from './image/write-image.js'
import type { RunLease, RunStore } from './ports.js'
import type { Run } from './run.js'
import { weightOf } from './run-record.js'

/** A run that came back from its record. */
export interface LoadedRun {
  readonly run: Run
  readonly lease: RunLease
  /** Events replayed, and their weight. */
  readonly events: number
  readonly unsaved: number
}

/**
 * Opens a record and makes the run of its newest snapshot and the events after it. `accept` is told what the run is before its arrays are read, and may refuse it by throwing;
 * `onSnapshotFailed` of an epoch start that could not be saved.
 */
export async function loadRun(
  store: RunStore,
  runId: string,
  accept: (header: ImageHeader) => Promise<void>,
  onSnapshotFailed: (error: Error) => void,
): Promise<LoadedRun> {
  const { lease, image, events } = await store.open(runId)
  const reader = new ByteReader(image)
  try {
    const header = await readImageHeader(reader)
    await accept(header)
    const run = await readImageBody(reader, header)
    await reader.expectEnd()
    let count = 0
    let unsaved = 0
    for await (const event of events) {
      // The process ended before this epoch's start was saved.
      if (event.type === 'epoch_planned' && count > 0 && !lease.epochStarts.includes(event.epoch)) {
        await lease.saveSnapshot({ image: imageOf(run), epochStart: event.epoch }).catch(onSnapshotFailed)
        unsaved = 0
      }
      run.apply(event)
      unsaved += weightOf(event)
      count++
    }
    return { run, lease, events: count, unsaved }
  } catch (error) {
    await reader.close()
    await lease.release()
    throw error
  }
}

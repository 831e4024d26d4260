import { join } from 'node:path'
import type { ByteStream, RunLease, Snapshot } from '../../runs/ports.js'
import type { RunEvent } from '../../runs/run-event.js'
import { StoreError } from '../../runs/store-error.js'
import { keptEpochStarts, obsoleteSnapshots } from '../obsolete-snapshots.js'
import { isMissing, toStoreError } from './file-errors.js'
import { JournalWriter } from './journal-writer.js'
import { type SnapshotFile, snapshotFile, unfinishedName } from './record-files.js'
import type { RecordPlace } from './record-place.js'
import { readEvents, readImageFile } from './record-reader.js'
import type { RecoveredRecord } from './recover-record.js'
import { writeSnapshot } from './snapshot.js'

/** What a lease works with. */
export interface FileLeaseParts extends RecordPlace {
  readonly fence: number
  /** Epoch starts that are kept. */
  readonly epochStarts: number
  /** Runs `change` while nothing else changes which files the run has. */
  readonly exclusively: <T>(change: () => Promise<T>) => Promise<T>
  readonly onRelease: () => void
}

/** Writes the record of a run until another lease holds it, or none does. */
export class FileLease implements RunLease {
  readonly fence: number
  readonly #parts: FileLeaseParts
  readonly #record: RecoveredRecord
  readonly #journal: JournalWriter
  #snapshots: readonly SnapshotFile[]
  /** Events of the run that the holder knows: read or appended. */
  #position: number
  #nextSerial: number
  /** The snapshot being saved. Never rejects. */
  #saving: Promise<void> | undefined
  #isReleased = false
  #isTakenAway = false

  constructor(parts: FileLeaseParts, record: RecoveredRecord) {
    this.fence = parts.fence
    this.#parts = parts
    this.#record = record
    this.#journal = new JournalWriter(parts, parts.fence, record.segments, record.end)
    this.#snapshots = record.snapshots
    this.#position = record.position
    this.#nextSerial = 1 + (record.snapshots.at(-1)?.serial ?? 0)
  }

  get epochStarts(): readonly number[] {
    return this.#keptEpochStarts().map(({ epochStart }) => epochStart as number)
  }

  append(event: RunEvent): Promise<void> {
    try {
      this.#checkHeld()
      this.#checkRead()
    } catch (error) {
      return Promise.reject(error)
    }
    this.#position++
    return this.#journal.append(event)
  }

  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    this.#checkHeld()
    if (this.#journal.refusal !== undefined) throw this.#journal.refusal
    if (this.#saving) throw new Error(`a snapshot of run "${this.#parts.runId}" while another is being saved`)
    const saved = this.#save(snapshot).catch((error: unknown) => this.#rethrow(error))
    this.#saving = saved.then(
      () => this.#endSaving(),
      () => this.#endSaving(),
    )
    return saved
  }

  async *readEpochStart(epoch: number): AsyncGenerator<Uint8Array, void, void> {
    const { runId } = this.#parts
    const file = this.#keptEpochStarts().find(({ epochStart }) => epochStart === epoch)
    try {
      if (file) return yield* readImageFile(this.#parts, file)
    } catch (error) {
      // Otherwise the epoch start went just now.
      if (!isMissing(error)) this.#rethrow(error)
    }
    const kept = this.epochStarts.join(', ') || 'none'
    throw new StoreError('NOT_FOUND', runId, `no start of epoch ${epoch} is kept of run "${runId}"; kept: ${kept}`)
  }

  /** The snapshot that was the newest when the lease was given. */
  async *readImage(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* readImageFile(this.#parts, this.#record.snapshots.at(-1) as SnapshotFile)
    } catch (error) {
      this.#rethrow(error)
    }
  }

  /** The events that the holder does not know. One is known when the next is asked for. */
  async *readEvents(): AsyncGenerator<RunEvent, void, void> {
    try {
      for await (const event of readEvents(this.#parts, this.#record)) {
        this.#checkHeld()
        yield event
        this.#position++
      }
    } catch (error) {
      this.#rethrow(error)
    }
  }

  async release(): Promise<void> {
    this.#isReleased = true
    await this.#saving
    await this.#journal.close()
    this.#parts.onRelease()
  }

  /** Takes the lease from its holder: what is not being written now never will be. Resolves when nothing is being written any more. */
  async takeAway(): Promise<void> {
    this.#isTakenAway = true
    await this.#journal.stop(this.#fenced())
  }

  /** Removes the files that are not needed once everything before `position` is in a snapshot. What cannot be removed now is, when the run is opened again. */
  async removeObsolete(position: number): Promise<void> {
    const { disk, folder, log, epochStarts, runId } = this.#parts
    const snapshots = new Set(obsoleteSnapshots(this.#snapshots, epochStarts))
    this.#snapshots = this.#snapshots.filter((file) => !snapshots.has(file))
    for (const { name } of [...snapshots, ...(await this.#journal.dropBefore(position))]) {
      const path = join(folder, name)
      await disk.remove(path).catch((err: Error) => log('warn', { runId, err }, 'obsolete file not removed'))
    }
  }

  async #save({ image, epochStart }: Snapshot): Promise<void> {
    const { disk, folder, exclusively } = this.#parts
    const position = this.#position
    const { durable } = this.#journal
    this.#journal.beginSegment()
    const file = snapshotFile(this.#nextSerial++, epochStart)
    const path = join(folder, unfinishedName(file, this.fence))
    try {
      await writeSnapshot(this.#parts, path, { ...file, position, fence: this.fence }, this.#whileHeld(image))
      await durable
      await exclusively(async () => {
        this.#checkNotTakenAway()
        await disk.rename(path, join(folder, file.name))
        await disk.syncDirectory(folder)
        this.#snapshots = [...this.#snapshots, file]
        await this.removeObsolete(position)
      })
    } catch (error) {
      // Where this fails, too, it is removed when the run is opened again.
      await disk.remove(path).catch(() => {})
      throw error
    }
  }

  /** What a holder handed over before it gave the lease back is still written; not so when the lease was taken away. */
  async *#whileHeld(image: ByteStream): AsyncGenerator<Uint8Array, void, void> {
    for await (const piece of image) {
      this.#checkNotTakenAway()
      yield piece
    }
  }

  #endSaving(): void {
    this.#saving = undefined
  }

  #keptEpochStarts(): SnapshotFile[] {
    return keptEpochStarts(this.#snapshots, this.#parts.epochStarts)
  }

  #checkRead(): void {
    const unread = this.#record.end - this.#position
    if (unread > 0) {
      throw new Error(`an event for run "${this.#parts.runId}" while ${unread} of its record are to be read first`)
    }
  }

  #checkHeld(): void {
    if (this.#isReleased || this.#isTakenAway) throw this.#fenced()
  }

  #checkNotTakenAway(): void {
    if (this.#isTakenAway) throw this.#fenced()
  }

  #fenced(): StoreError {
    const { runId } = this.#parts
    const message = `lease ${this.fence} of run "${runId}" was given back, or taken over by a newer one`
    return new StoreError('FENCED', runId, message)
  }

  #rethrow(error: unknown): never {
    throw toStoreError(this.#parts.runId, error)
  }
}

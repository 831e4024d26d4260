import { join } from 'node:path'
import type { OpenedRecord, RecordGlance, RunLease, RunStore, Snapshot } from '../../runs/ports.js'
import { StoreError } from '../../runs/store-error.js'
import { keptEpochStarts } from '../obsolete-snapshots.js'
import { type DataDirectory, openDataDirectory } from './data-directory.js'
import { lockDirectory } from './directory-lock.js'
import type { Disk } from './disk.js'
import { isMissing, toStoreError } from './file-errors.js'
import { FileLease } from './file-lease.js'
import { GuardedDisk } from './guarded-disk.js'
import { KeyedMutex } from './keyed-mutex.js'
import { nodeDisk } from './node-disk.js'
import { type SnapshotFile, snapshotFile } from './record-files.js'
import type { Log, RecordPlace } from './record-place.js'
import { readImageFile } from './record-reader.js'
import { type RecoveredRecord, recoverRecord } from './recover-record.js'
import { folderOfRun, isPassing, makingFolder, removedFolder, runOfFolder } from './run-folder-name.js'
import { writeSnapshot } from './snapshot.js'
import { hasEvents, surveyRecord } from './survey-record.js'

export interface FileStoreOptions {
  /** Epoch starts that are kept of each run. */
  readonly epochStarts: number
  /** A sync failed: what was written before may not be on the disk, and the store writes nothing more. The process should end. Called once at most. */
  readonly onFatal: (error: Error) => void
  readonly log: Log
  /** Default: that of the machine. */
  readonly disk?: Disk
  /** Keeps other processes out of a directory until what it resolves with is called. Default: a lock of the kernel. */
  readonly lock?: (directory: string) => Promise<() => Promise<void>>
}

/**
 * Keeps the record of each run in a folder: files with its events, written and synced before they are acknowledged, and snapshots.
 * docs/reference/storage.md describes the files, and what holds after a crash.
 */
export class FileStore implements RunStore {
  readonly durability: string
  readonly #options: FileStoreOptions
  readonly #disk: GuardedDisk
  readonly #runsFolder: string
  readonly #unlock: () => Promise<void>
  readonly #leases = new Map<string, FileLease>()
  /** Runs whose first snapshots are being written. */
  readonly #coming = new Set<string>()
  readonly #mutex = new KeyedMutex()
  /** Of all runs together: what was not written with a fence must not be taken for what was written with the next one. */
  #lastFence = 0
  #closing: Promise<void> | undefined

  private constructor(
    dataDir: string,
    { runsFolder, unlock }: DataDirectory,
    disk: GuardedDisk,
    options: FileStoreOptions,
  ) {
    this.durability = `file: written and synced, ${dataDir}`
    this.#options = options
    this.#disk = disk
    this.#runsFolder = runsFolder
    this.#unlock = unlock
  }

  /** Opens a data directory, which is made where there is none. Rejects with a text that names the directory and the remedy. */
  static async open(dataDir: string, options: FileStoreOptions): Promise<FileStore> {
    const { disk = nodeDisk, lock = lockDirectory, onFatal } = options
    // Until it is open, what fails is told by the rejection alone.
    let isOpen = false
    const guarded = new GuardedDisk(disk, (error) => isOpen && onFatal(error))
    const directory = await openDataDirectory(guarded, dataDir, lock)
    const store = new FileStore(dataDir, directory, guarded, options)
    try {
      await store.#removePassing()
    } catch (error) {
      await directory.unlock()
      throw toStoreError('', error)
    }
    isOpen = true
    return store
  }

  /** None: what is held for a moment, a group of events or a frame of a snapshot on its way to the disk, does not grow with the run. */
  recordBytes(): number {
    return 0
  }

  async list(): Promise<string[]> {
    try {
      const runIds = (await this.#disk.list(this.#runsFolder)).map(runOfFolder)
      return runIds.filter((runId) => runId !== undefined)
    } catch (error) {
      throw toStoreError('', error)
    }
  }

  async create(runId: string, snapshots: AsyncIterable<Snapshot> | Iterable<Snapshot>): Promise<RunLease> {
    const place = this.#place(runId)
    if (this.#coming.has(runId)) throw exists(runId)
    this.#coming.add(runId)
    const making = { ...place, folder: makingFolder(place.folder) }
    try {
      if (await this.#isThere(place)) throw exists(runId)
      const fence = ++this.#lastFence
      const record = await writeFirstSnapshots(making, fence, snapshots)
      return await this.#mutex.run(runId, async () => {
        await this.#disk.rename(making.folder, place.folder)
        await this.#disk.syncDirectory(this.#runsFolder)
        return this.#giveLease(place, fence, record)
      })
    } catch (error) {
      await this.#disk.remove(making.folder).catch(() => {})
      throw toStoreError(runId, error)
    } finally {
      this.#coming.delete(runId)
    }
  }

  async open(runId: string): Promise<OpenedRecord> {
    const place = this.#place(runId)
    const lease = await this.#exclusively(place, async () => {
      await this.#takeLease(runId)
      const record = await recoverRecord(place)
      this.#lastFence = Math.max(this.#lastFence, record.fence) + 1
      return this.#giveLease(place, this.#lastFence, record)
    })
    return { lease, image: lease.readImage(), events: lease.readEvents() }
  }

  async glance(runId: string): Promise<RecordGlance> {
    const place = this.#place(runId)
    return this.#exclusively(place, async () => {
      const survey = await surveyRecord(place)
      const epochStarts = keptEpochStarts(survey.snapshots, this.#options.epochStarts)
      return {
        image: this.#readNewest(place),
        hasEvents: await hasEvents(place, survey),
        epochStarts: epochStarts.map(({ epochStart }) => epochStart as number),
      }
    })
  }

  async remove(runId: string): Promise<void> {
    const place = this.#place(runId)
    await this.#exclusively(place, async () => {
      await this.#takeLease(runId)
      const removed = removedFolder(place.folder)
      await this.#disk.remove(removed)
      await this.#disk.rename(place.folder, removed)
      await this.#disk.syncDirectory(this.#runsFolder)
      await this.#removeFolder(removed)
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#leases.values()].map((lease) => lease.release()))
    await this.#disk.close()
    await this.#unlock()
  }

  #place(runId: string): RecordPlace {
    const name = folderOfRun(runId)
    if (runOfFolder(name) !== runId) throw new StoreError('NOT_FOUND', runId, `"${runId}" is no run_id`)
    return { runId, disk: this.#disk, folder: join(this.#runsFolder, name), log: this.#options.log }
  }

  /** Runs `work` on a run that is there, while nothing else changes which files it has. */
  #exclusively<T>(place: RecordPlace, work: () => Promise<T>): Promise<T> {
    const { runId } = place
    return this.#mutex.run(runId, async () => {
      try {
        if (!(await this.#isThere(place))) throw new StoreError('NOT_FOUND', runId, `run "${runId}" has no record`)
        return await work()
      } catch (error) {
        throw toStoreError(runId, error)
      }
    })
  }

  async #isThere({ folder }: RecordPlace): Promise<boolean> {
    try {
      await this.#disk.list(folder)
      return true
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  }

  async #giveLease(place: RecordPlace, fence: number, record: RecoveredRecord): Promise<FileLease> {
    const { runId } = place
    const lease: FileLease = new FileLease(
      {
        ...place,
        fence,
        epochStarts: this.#options.epochStarts,
        exclusively: (change) => this.#mutex.run(runId, change),
        onRelease: () => {
          if (this.#leases.get(runId) === lease) this.#leases.delete(runId)
        },
      },
      record,
    )
    this.#leases.set(runId, lease)
    await lease.removeObsolete(record.position)
    return lease
  }

  /** Takes a run from whoever holds it. */
  async #takeLease(runId: string): Promise<void> {
    const lease = this.#leases.get(runId)
    this.#leases.delete(runId)
    await lease?.takeAway()
  }

  /** What is the newest snapshot when this is first read: the one that a glance saw may have gone. */
  async *#readNewest(place: RecordPlace): AsyncGenerator<Uint8Array, void, void> {
    try {
      const { newest } = await surveyRecord(place)
      yield* readImageFile(place, newest)
    } catch (error) {
      throw toStoreError(place.runId, error)
    }
  }

  /** Removes what was not made to its end, or not removed to its end. */
  async #removePassing(): Promise<void> {
    const names = await this.#disk.list(this.#runsFolder)
    await this.#disk.syncDirectory(this.#runsFolder)
    for (const name of names.filter(isPassing)) await this.#removeFolder(join(this.#runsFolder, name))
    const foreign = names.filter((name) => !isPassing(name) && runOfFolder(name) === undefined)
    if (foreign.length > 0) this.#options.log('warn', { folder: this.#runsFolder, foreign }, 'not runs, and left alone')
  }

  async #removeFolder(folder: string): Promise<void> {
    await this.#disk.remove(folder).catch((err: Error) => this.#options.log('warn', { err }, 'folder not removed'))
  }
}

/** Begins a record in a folder of its own. */
async function writeFirstSnapshots(
  place: RecordPlace,
  fence: number,
  snapshots: AsyncIterable<Snapshot> | Iterable<Snapshot>,
): Promise<RecoveredRecord> {
  const { runId, disk, folder } = place
  const files: SnapshotFile[] = []
  await disk.remove(folder)
  await disk.makeDirectory(folder)
  for await (const { image, epochStart } of snapshots) {
    const file = snapshotFile(files.length + 1, epochStart)
    await writeSnapshot(place, join(folder, file.name), { ...file, position: 0, fence }, image)
    files.push(file)
  }
  if (files.length === 0) throw new Error(`run "${runId}" came without a snapshot: a record starts with one`)
  await disk.syncDirectory(folder)
  return { snapshots: files, segments: [], position: 0, end: 0, fence }
}

function exists(runId: string): StoreError {
  return new StoreError('EXISTS', runId, `run "${runId}" has a record already`)
}

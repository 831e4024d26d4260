import type { Disk, DiskFile } from './disk.js'
import { DiskFailure } from './file-errors.js'

/**
 * A disk that is not written to after a failed sync, nor after `close`: which of the bytes before a failed sync are on the disk is not known, and another
 * sync would say that all of them are. Every error is a DiskFailure, which says what was to be done with which file.
 */
export class GuardedDisk implements Disk {
  readonly #disk: Disk
  readonly #onFatal: (error: Error) => void
  readonly #underway = new Set<Promise<unknown>>()
  #failure: DiskFailure | undefined
  #isClosed = false

  /** `onFatal` is told of the first sync that fails. */
  constructor(disk: Disk, onFatal: (error: Error) => void) {
    this.#disk = disk
    this.#onFatal = onFatal
  }

  makeDirectory(path: string): Promise<void> {
    return this.change('make the folder', path, () => this.#disk.makeDirectory(path))
  }

  list(path: string): Promise<string[]> {
    return this.read('list', path, () => this.#disk.list(path))
  }

  async createFile(path: string): Promise<DiskFile> {
    return new GuardedFile(this, path, await this.change('create', path, () => this.#disk.createFile(path)))
  }

  async openFile(path: string): Promise<DiskFile> {
    return new GuardedFile(this, path, await this.read('open', path, () => this.#disk.openFile(path)))
  }

  rename(from: string, to: string): Promise<void> {
    return this.change('rename', `${from} to ${to}`, () => this.#disk.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.change('remove', path, () => this.#disk.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.sync(path, () => this.#disk.syncDirectory(path))
  }

  /** Refuses every change from now on; resolves when those under way have ended. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#underway)
  }

  async read<T>(what: string, path: string, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation()
    } catch (error) {
      throw new DiskFailure(what, path, error)
    }
  }

  async change<T>(what: string, path: string, operation: () => Promise<T>): Promise<T> {
    const refusal = this.#failure ?? (this.#isClosed ? new Error('the store is closed') : undefined)
    if (refusal) throw new DiskFailure(what, path, refusal)
    const change = operation()
    this.#underway.add(change)
    try {
      return await change
    } catch (error) {
      throw new DiskFailure(what, path, error)
    } finally {
      this.#underway.delete(change)
    }
  }

  sync(path: string, operation: () => Promise<void>): Promise<void> {
    return this.change('sync', path, async () => {
      try {
        await operation()
      } catch (error) {
        this.#fail(new DiskFailure('sync', path, error))
        throw error
      }
    })
  }

  #fail(failure: DiskFailure): void {
    if (this.#failure) return
    this.#failure = failure
    this.#onFatal(failure)
  }
}

class GuardedFile implements DiskFile {
  readonly #disk: GuardedDisk
  readonly #path: string
  readonly #file: DiskFile

  constructor(disk: GuardedDisk, path: string, file: DiskFile) {
    this.#disk = disk
    this.#path = path
    this.#file = file
  }

  size(): Promise<number> {
    return this.#disk.read('read the size of', this.#path, () => this.#file.size())
  }

  append(pieces: readonly Uint8Array[]): Promise<void> {
    return this.#disk.change('append to', this.#path, () => this.#file.append(pieces))
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#disk.read('read', this.#path, () => this.#file.read(position, length))
  }

  truncate(length: number): Promise<void> {
    return this.#disk.change('truncate', this.#path, () => this.#file.truncate(length))
  }

  sync(): Promise<void> {
    return this.#disk.sync(this.#path, () => this.#file.sync())
  }

  close(): Promise<void> {
    return this.#disk.read('close', this.#path, () => this.#file.close())
  }
}

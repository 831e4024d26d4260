import type { Disk, DiskFile } from '../disk.js'
import { nodeDisk } from '../node-disk.js'

/** One call of a disk or of one of its files. */
export interface DiskCall {
  readonly operation: keyof Disk | keyof DiskFile
  readonly path: string
}

/** The disk of the machine, with a word to say before every call: `before` can wait, and what it throws, the call throws. */
export class ScriptedDisk implements Disk {
  /** Calls so far, in order. */
  readonly calls: DiskCall[] = []
  before: (call: DiskCall) => Promise<void> | void = () => {}

  makeDirectory = (path: string) => this.#call('makeDirectory', path, () => nodeDisk.makeDirectory(path))
  list = (path: string) => this.#call('list', path, () => nodeDisk.list(path))
  createFile = (path: string) =>
    this.#call('createFile', path, async () => this.#file(path, await nodeDisk.createFile(path)))
  openFile = (path: string) => this.#call('openFile', path, async () => this.#file(path, await nodeDisk.openFile(path)))
  rename = (from: string, to: string) => this.#call('rename', from, () => nodeDisk.rename(from, to))
  remove = (path: string) => this.#call('remove', path, () => nodeDisk.remove(path))
  syncDirectory = (path: string) => this.#call('syncDirectory', path, () => nodeDisk.syncDirectory(path))

  /** How often an operation was called on files whose path has this end. */
  count(operation: DiskCall['operation'], end = ''): number {
    return this.calls.filter((call) => call.operation === operation && call.path.endsWith(end)).length
  }

  #file(path: string, file: DiskFile): DiskFile {
    return {
      size: () => this.#call('size', path, () => file.size()),
      append: (pieces) => this.#call('append', path, () => file.append(pieces)),
      read: (position, length) => this.#call('read', path, () => file.read(position, length)),
      truncate: (length) => this.#call('truncate', path, () => file.truncate(length)),
      sync: () => this.#call('sync', path, () => file.sync()),
      // Closed in any case: a test should leave nothing open.
      close: () => this.#call('close', path, async () => {}).finally(() => file.close()),
    }
  }

  async #call<T>(operation: DiskCall['operation'], path: string, call: () => Promise<T>): Promise<T> {
    this.calls.push({ operation, path })
    await this.before({ operation, path })
    return call()
  }
}

/** The error of a system call. */
export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: as it was scripted`), { code })
}

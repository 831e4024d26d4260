import type { Disk, DiskFile } from '../../services/sampler/src/store/file/disk.js'
import { nodeDisk } from '../../services/sampler/src/store/file/node-disk.js'
import { atLeast } from './at-least.js'

/** The disk of the machine, which counts what is written to journals; it can be slower than it is. */
export class CountingDisk implements Disk {
  syncs = 0
  bytes = 0
  readonly makeDirectory = nodeDisk.makeDirectory
  readonly list = nodeDisk.list
  readonly rename = nodeDisk.rename
  readonly remove = nodeDisk.remove
  readonly syncDirectory = nodeDisk.syncDirectory
  readonly #syncMs: number

  /** A sync of a journal takes at least `syncMs`. */
  constructor(syncMs: number) {
    this.#syncMs = syncMs
  }

  async createFile(path: string): Promise<DiskFile> {
    return this.#watch(path, await nodeDisk.createFile(path))
  }

  async openFile(path: string): Promise<DiskFile> {
    return this.#watch(path, await nodeDisk.openFile(path))
  }

  #watch(path: string, file: DiskFile): DiskFile {
    if (!path.endsWith('.journal')) return file
    const append = file.append.bind(file)
    const sync = file.sync.bind(file)
    file.append = (pieces) => {
      for (const { byteLength } of pieces) this.bytes += byteLength
      return append(pieces)
    }
    file.sync = () => {
      this.syncs++
      return atLeast(this.#syncMs, sync())
    }
    return file
  }
}

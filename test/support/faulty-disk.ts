import type { Disk, DiskFile } from '../../services/sampler/src/store/file/disk.js'
import { type DiskNode, FileNode, FolderNode, type Survival } from './disk-tree.js'

export type DiskOperation = keyof Disk | keyof DiskFile

/** One operation that a disk was asked for. */
export interface DiskStep {
  readonly operation: DiskOperation
  readonly path: string
  /** Bytes to append, or to read. */
  readonly byteCount: number
}

/** What goes wrong with a step: its process ends when it is done, or it fails with the code after the first `written` bytes of what it was to append. */
export type DiskFault = 'end' | { readonly code: 'EIO' | 'ENOSPC'; readonly written?: number }

export interface FaultyDiskOptions {
  /** Asked before each step; `index` counts the steps from 0. */
  readonly fault?: (step: DiskStep, index: number) => DiskFault | undefined
  /** How long each step takes. */
  readonly delay?: (step: DiskStep) => Promise<unknown>
}

/** Steps that make something durable: an end at one of these comes before it. */
const SYNCS: readonly DiskOperation[] = ['sync', 'syncDirectory']

/** Steps that change what is on a disk. */
const CHANGES: readonly DiskOperation[] = [
  'makeDirectory',
  'createFile',
  'rename',
  'remove',
  'append',
  'truncate',
  ...SYNCS,
]

export const isChange = ({ operation }: DiskStep) => CHANGES.includes(operation)

/**
 * A disk in memory that keeps apart what was synced and what was not, and that fails where it is told to. It is as strict as a file system may be:
 * a file's bytes are safe after `sync` of the file, its name after `syncDirectory` of its folder, and neither takes the other along.
 */
export class FaultyDisk implements Disk {
  /** Every step that was begun. */
  readonly steps: DiskStep[] = []
  /** Resolves when the process that uses the disk ends, by a loss of power or by itself. From then on no operation does. */
  readonly end: Promise<void>
  fault: FaultyDiskOptions['fault']
  readonly #delay: FaultyDiskOptions['delay']
  readonly #root: FolderNode
  #tellEnd: () => void = () => {}
  #isInUse = true

  constructor({ fault, delay }: FaultyDiskOptions = {}, root = new FolderNode()) {
    this.fault = fault
    this.#delay = delay
    this.#root = root
    this.end = new Promise((resolve) => {
      this.#tellEnd = resolve
    })
  }

  /** A disk on which these files are safe. */
  static of(files: ReadonlyMap<string, Uint8Array>): FaultyDisk {
    const disk = new FaultyDisk()
    for (const [path, bytes] of files) {
      const { folder, name } = disk.#place(path, true)
      folder.add(name, new FileNode(bytes))
    }
    return disk.afterPowerLoss({ change: () => true, content: ([synced]) => synced })
  }

  /** The content of every file. */
  files(): Map<string, Uint8Array> {
    const files = new Map<string, Uint8Array>()
    const visit = (folder: FolderNode, path: string) => {
      for (const [name, node] of folder.entries) {
        if (node instanceof FolderNode) visit(node, `${path}/${name}`)
        else files.set(`${path}/${name}`, node.content.slice())
      }
    }
    visit(this.#root, '')
    return files
  }

  /** Pulls the plug, and gives the disk as it is found at the next start. */
  afterPowerLoss(survival: Survival, options: FaultyDiskOptions = {}): FaultyDisk {
    this.#isInUse = false
    return new FaultyDisk(options, this.#root.survivor(survival))
  }

  /** Ends the process, and gives the disk to the next: it finds everything, but what was not synced is not safe for that. */
  afterProcess(options: FaultyDiskOptions = {}): FaultyDisk {
    this.#isInUse = false
    return new FaultyDisk(options, this.#root)
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#step('makeDirectory', path, () => {
      this.#folderAt(path, true)
    })
  }

  list(path: string): Promise<string[]> {
    return this.#step('list', path, () => [...this.#folderAt(path).entries.keys()])
  }

  createFile(path: string): Promise<DiskFile> {
    return this.#step('createFile', path, () => {
      const { folder, name } = this.#place(path)
      if (folder.entries.has(name)) throw diskError('EEXIST', 'createFile', path)
      const node = new FileNode()
      folder.add(name, node)
      return this.#file(path, node)
    })
  }

  openFile(path: string): Promise<DiskFile> {
    return this.#step('openFile', path, () => {
      const node = this.#nodeAt(path)
      if (!node) throw diskError('ENOENT', 'openFile', path)
      if (node instanceof FolderNode) throw diskError('EISDIR', 'openFile', path)
      return this.#file(path, node)
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#step('rename', from, () => {
      const source = this.#place(from)
      const target = this.#place(to)
      const node = source.folder.entries.get(source.name)
      const replaced = target.folder.entries.get(target.name)
      if (!node) throw diskError('ENOENT', 'rename', from)
      if (node === replaced) return
      if (replaced instanceof FolderNode && replaced.entries.size > 0) throw diskError('ENOTEMPTY', 'rename', to)
      if (replaced && replaced instanceof FolderNode !== node instanceof FolderNode)
        throw diskError('EEXIST', 'rename', to)
      const cause = {}
      source.folder.drop(source.name, cause)
      target.folder.add(target.name, node, cause)
    })
  }

  remove(path: string): Promise<void> {
    return this.#step('remove', path, () => {
      const { folder, name } = this.#place(path)
      folder.removeAll(name)
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.#step('syncDirectory', path, () => this.#folderAt(path).sync())
  }

  #file(path: string, node: FileNode): DiskFile {
    return {
      size: () => this.#step('size', path, () => node.content.length),
      append: (pieces) => {
        const bytes = Buffer.concat(pieces)
        return this.#step(
          'append',
          path,
          () => node.append(bytes),
          bytes.length,
          (length) => {
            node.append(bytes.subarray(0, length))
          },
        )
      },
      read: (position, length) =>
        this.#step('read', path, () => node.content.slice(position, position + length), length),
      truncate: (length) => this.#step('truncate', path, () => node.truncate(length)),
      sync: () => this.#step('sync', path, () => node.sync()),
      close: () => this.#step('close', path, () => {}),
    }
  }

  /** Does a step, unless it is to fail: then the part of it that is done nevertheless. */
  async #step<T>(
    operation: DiskOperation,
    path: string,
    effect: () => T,
    byteCount = 0,
    partly: (written: number) => void = () => {},
  ): Promise<T> {
    const step = { operation, path, byteCount }
    if (!this.#isInUse) return forever()
    const index = this.steps.push(step) - 1
    await this.#delay?.(step)
    if (!this.#isInUse) return forever()
    const fault = this.fault?.(step, index)
    if (fault === 'end') {
      if (!SYNCS.includes(operation)) effect()
      this.#isInUse = false
      this.#tellEnd()
      return forever()
    }
    if (fault) {
      if (fault.written) partly(Math.min(fault.written, byteCount))
      throw diskError(fault.code, operation, path)
    }
    return effect()
  }

  #nodeAt(path: string): DiskNode | undefined {
    const { folder, name } = this.#place(path)
    return folder.entries.get(name)
  }

  #folderAt(path: string, makes = false): FolderNode {
    let folder = this.#root
    for (const name of namesOf(path)) {
      let next = folder.entries.get(name)
      if (!next && makes) {
        next = new FolderNode()
        folder.add(name, next)
      }
      if (!next) throw diskError('ENOENT', 'open', path)
      if (next instanceof FileNode) throw diskError('ENOTDIR', 'open', path)
      folder = next
    }
    return folder
  }

  /** The folder that a path leads to, and the name in it. */
  #place(path: string, makes = false): { folder: FolderNode; name: string } {
    const names = namesOf(path)
    const name = names.pop() as string
    return { folder: this.#folderAt(names.join('/'), makes), name }
  }
}

const namesOf = (path: string) => path.split(/[\\/]/).filter((name) => name !== '' && name !== '.')

const forever = () => new Promise<never>(() => {})

function diskError(code: string, operation: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, path })
}

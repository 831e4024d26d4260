import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import type { Disk, DiskFile } from './disk.js'

const { O_APPEND, O_CREAT, O_EXCL, O_RDWR } = constants

class NodeFile implements DiskFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    let rest = joinNeighbours(pieces)
    while (rest.length > 0) {
      // A disk that gets full takes a part, and refuses the next write.
      const { bytesWritten } = await this.#handle.writev(rest)
      rest = dropBytes(rest, bytesWritten)
    }
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }

  async truncate(length: number): Promise<void> {
    await this.#handle.truncate(length)
  }

  async sync(): Promise<void> {
    await this.#handle.datasync()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** The same bytes in fewer pieces, none empty: those that lie one after the other in memory are one. The system takes one faster than many. */
function joinNeighbours(pieces: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  let [first] = pieces
  let length = 0
  for (const piece of pieces) {
    if (piece.buffer !== first?.buffer || piece.byteOffset !== first.byteOffset + length) {
      if (first && length > 0) joined.push(new Uint8Array(first.buffer, first.byteOffset, length))
      first = piece
      length = 0
    }
    length += piece.byteLength
  }
  if (first && length > 0) joined.push(new Uint8Array(first.buffer, first.byteOffset, length))
  return joined
}

/** What is left of the pieces after so many bytes. */
function dropBytes(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let left = count
  for (const piece of pieces) {
    if (left < piece.byteLength) rest.push(piece.subarray(left))
    left = Math.max(0, left - piece.byteLength)
  }
  return rest
}

/** The file system of the machine. */
export const nodeDisk: Disk = {
  async makeDirectory(path) {
    await mkdir(path, { recursive: true })
  },

  list: (path) => readdir(path),

  async createFile(path) {
    return new NodeFile(await open(path, O_CREAT | O_EXCL | O_RDWR | O_APPEND))
  },

  async openFile(path) {
    return new NodeFile(await open(path, O_RDWR | O_APPEND))
  },

  rename: (from, to) => rename(from, to),

  remove: (path) => rm(path, { recursive: true, force: true }),

  async syncDirectory(path) {
    // Windows has no such thing: its file systems order these changes by themselves.
    if (process.platform === 'win32') return
    const directory = await open(path)
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  },
}

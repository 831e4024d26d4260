/** A file that is open for appending and reading. */
export interface DiskFile {
  /** Bytes in the file. */
  size(): Promise<number>
  /** Appends all pieces, in order; a failed write may have appended a part of them. */
  append(pieces: readonly Uint8Array[]): Promise<void>
  /** Bytes from `position` on, up to `length`; fewer only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>
  /** Cuts the file to `length` bytes. Durable after the next `sync`. */
  truncate(length: number): Promise<void>
  /** fdatasync: what was appended, and the file's length, survive a loss of power. */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * What the file store asks of a file system, and no more, so that tests can put a failing one in its place.
 * Errors are those of Node, with a `code`. A file that was made, renamed or removed is so durably only after `syncDirectory` of its folder.
 */
export interface Disk {
  /** Makes a folder and those above it; no error if it is there. */
  makeDirectory(path: string): Promise<void>
  /** Names in a folder. */
  list(path: string): Promise<string[]>
  /** Makes a new file; EEXIST if it is there. */
  createFile(path: string): Promise<DiskFile>
  /** Opens a file; ENOENT if there is none. */
  openFile(path: string): Promise<DiskFile>
  /** Puts a file or folder in the place of another name; replaces a file, EEXIST or ENOTEMPTY for a folder that has something in it. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file, or a folder with all in it; no error if it is not there. */
  remove(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
}

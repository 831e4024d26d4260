import { dirname, join } from 'node:path'
import { StoreError } from '../../runs/store-error.js'
import type { Disk } from './disk.js'
import { DiskFailure, isForbidden, isMissing } from './file-errors.js'
import { withFile } from './with-file.js'

/** Of the whole directory: which files there are, and what they are called. */
const VERSION = 1

const VERSION_FILE = 'version'
const UNFINISHED_VERSION_FILE = 'version.tmp'
const OWN = new Set(['lock', UNFINISHED_VERSION_FILE])

/** A client that starts a sampler for itself keeps its lock and the sampler's log here, under names that begin so. */
const OF_CLIENT = 'embedded.'

/** A file system of its own has this folder in its root. */
const isForeign = (name: string) =>
  !OWN.has(name) && name !== 'lost+found' && !name.startsWith('.') && !name.startsWith(OF_CLIENT)

/** A data directory that is held. */
export interface DataDirectory {
  readonly runsFolder: string
  readonly unlock: () => Promise<void>
}

/**
 * Makes a data directory where there is none, locks it, and makes sure that it is one of this version. Rejects with a StoreError whose text names the directory and the remedy.
 */
export async function openDataDirectory(
  disk: Disk,
  dataDir: string,
  lock: (directory: string) => Promise<() => Promise<void>>,
): Promise<DataDirectory> {
  try {
    await makeDirectory(disk, dataDir)
    await checkForeign(disk, dataDir)
    const unlock = await lock(dataDir)
    try {
      await ensureVersion(disk, dataDir)
      const runsFolder = join(dataDir, 'runs')
      await makeDirectory(disk, runsFolder)
      // Also what a process made that ended before it came to this.
      await disk.syncDirectory(dataDir)
      return { runsFolder, unlock }
    } catch (error) {
      await unlock()
      throw error
    }
  } catch (error) {
    throw startError(dataDir, error)
  }
}

/** Makes a folder, and those above it, where there is none. */
async function makeDirectory(disk: Disk, path: string): Promise<void> {
  try {
    await disk.list(path)
  } catch (error) {
    if (!isMissing(error)) throw error
    await disk.makeDirectory(path)
  }
}

/** Makes the names of the folders above a new directory durable, but for those in folders that may not be read: they were not made here. */
async function syncAbove(disk: Disk, path: string): Promise<void> {
  const parent = dirname(path)
  if (parent === path) return
  await syncAbove(disk, parent)
  try {
    await disk.list(parent)
  } catch (error) {
    if (isForbidden(error)) return
    throw error
  }
  await disk.syncDirectory(parent)
}

async function checkForeign(disk: Disk, dataDir: string): Promise<void> {
  const names = await disk.list(dataDir)
  const foreign = names.filter(isForeign)
  if (names.includes(VERSION_FILE) || foreign.length === 0) return
  const some = foreign.sort().slice(0, 3).join(', ')
  const message = `--data-dir "${dataDir}" holds other things than a sampler's data (${some}): name an empty directory, or one that does not exist yet`
  throw new StoreError('UNAVAILABLE', '', message)
}

/** Checks the file with the version of the directory, or writes it. */
async function ensureVersion(disk: Disk, dataDir: string): Promise<void> {
  const path = join(dataDir, VERSION_FILE)
  try {
    checkVersion(dataDir, await withFile(disk, path, (file) => file.read(0, 64)))
  } catch (error) {
    if (!isMissing(error)) throw error
    await syncAbove(disk, dataDir)
    const unfinished = join(dataDir, UNFINISHED_VERSION_FILE)
    await disk.remove(unfinished)
    const file = await disk.createFile(unfinished)
    try {
      await file.append([new TextEncoder().encode(`keepset data ${VERSION}\n`)])
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.rename(unfinished, path)
    await disk.syncDirectory(dataDir)
  }
}

function checkVersion(dataDir: string, bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes)
  const version = /^keepset data ([0-9]{1,9})\n$/.exec(text)?.[1]
  if (version === undefined) {
    const message = `--data-dir "${dataDir}": its file "${VERSION_FILE}" is not that of a sampler's data directory: name another directory, or put back a copy`
    throw new StoreError('DAMAGED', '', message)
  }
  if (Number(version) === VERSION) return
  const message = `--data-dir "${dataDir}" was made by a newer version of Keepset (data ${version}; this one knows ${VERSION}): start that version, or name another directory`
  throw new StoreError('DAMAGED', '', message)
}

function startError(dataDir: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (error instanceof StoreError || code === undefined) return error
  const what = error instanceof DiskFailure ? error.message : `cannot lock it: ${(error as Error).message}`
  const message = `--data-dir "${dataDir}" ${remedy(code)} (${what})`
  return new StoreError('UNAVAILABLE', '', message, { cause: error })
}

function remedy(code: string): string {
  switch (code) {
    case 'ENOTDIR':
    case 'EEXIST':
      return 'is no directory, or lies below something that is none: name another one'
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'cannot be written: let the user of the sampler write there, or name another one'
    default:
      return 'cannot be used: see what the reason is, or name another one'
  }
}

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DataError } from './data-error.js'

/** A file of a data set, decompressed. */
export interface DataFile {
  /** Where it was read from; ends in .gz if it was compressed. */
  readonly path: string
  readonly bytes: Uint8Array
}

/** Whether a folder has the file, plain or as .gz. */
export function hasDataFile(directory: string, name: string): boolean {
  return existsSync(join(directory, name)) || existsSync(join(directory, `${name}.gz`))
}

/**
 * Reads a file of a data set; where there is no plain one, `name`.gz is read and decompressed.
 *
 * @throws {DataError} if neither is there, it cannot be read, or the gzip stream is damaged
 */
export function readDataFile(directory: string, name: string): DataFile {
  const plain = join(directory, name)
  if (existsSync(plain)) return { path: plain, bytes: read(plain) }
  const path = `${plain}.gz`
  if (!existsSync(path)) throw new DataError(plain, 'file not found', `Put ${name} or ${name}.gz into the folder`)
  const compressed = read(path)
  try {
    return { path, bytes: gunzipSync(compressed) }
  } catch (cause) {
    throw new DataError(path, `damaged gzip stream (${textOf(cause)})`, 'Fetch the file again', { cause })
  }
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new DataError(path, `cannot be read (${textOf(cause)})`, 'Check that it is a file and who may read it', {
      cause,
    })
  }
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

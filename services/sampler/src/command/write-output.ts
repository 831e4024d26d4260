import { randomUUID } from 'node:crypto'
import { type FileHandle, lstat, open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { failure, usageError } from './command-error.js'
import { describeFileError } from './describe-file-error.js'
import type { Streams } from './streams.js'

type Source = AsyncIterable<Uint8Array | string>

/** Where a command's bytes go. */
export interface Target {
  /** A path; '-' is standard output. */
  readonly output: string
  /** Whether a file that is there is replaced. */
  readonly force?: boolean
}

/** Whether a target is standard output. */
export function isStandardOutput({ output }: Target): boolean {
  return output === '-'
}

/** Refuses a target before anything is fetched for it: a folder, a file that is there already, binary for a terminal. */
export async function checkTarget(target: Target, { stdout }: Streams, isText: boolean): Promise<void> {
  if (isStandardOutput(target)) {
    if (!isText && stdout.isTTY) {
      throw usageError('standard output is a terminal and the output is binary: give --output FILE, or pipe it on')
    }
  } else {
    await refuseExisting(target)
  }
}

/**
 * Writes a stream to its target, at the pace of the target. A file is written beside, synced and renamed: it has all of the stream, or is as
 * it was before.
 */
export async function writeOutput(
  source: Source,
  target: Target,
  streams: Streams,
  signal: AbortSignal,
): Promise<void> {
  if (isStandardOutput(target)) {
    await pipeline(source, streams.stdout, { end: false, signal })
  } else {
    await writeFile(source, target, signal)
  }
}

async function writeFile(source: Source, target: Target, signal: AbortSignal): Promise<void> {
  const { output } = target
  // Through a link: the file that it names is replaced, not the link.
  const path = await realpath(output).catch(() => output)
  const isSpecial = await lstat(path).then(
    (found) => !found.isFile() && !found.isDirectory(),
    () => false,
  )
  // A device or a pipe takes the bytes itself; it must not be replaced by a file.
  const written = isSpecial ? path : join(dirname(path), `.${basename(path)}.${randomUUID()}.partial`)
  try {
    const handle = await naming(output, open(written, isSpecial ? 'w' : 'wx'), usageError)
    try {
      await writePieces(handle, source, output, signal)
      if (!isSpecial) await naming(output, handle.sync())
    } finally {
      await handle.close()
    }
    if (isSpecial) return
    await refuseExisting(target)
    await naming(output, rename(written, path))
  } catch (error) {
    if (!isSpecial) await rm(written, { force: true })
    throw error
  }
}

async function writePieces(handle: FileHandle, source: Source, output: string, signal: AbortSignal): Promise<void> {
  for await (const piece of source) {
    signal.throwIfAborted()
    await naming(output, handle.writeFile(piece))
  }
}

/** Names the file in the error of an operation on it. */
async function naming<T>(output: string, operation: Promise<T>, makeError = failure): Promise<T> {
  try {
    return await operation
  } catch (error) {
    throw makeError(`--output ${output} cannot be written (${describeFileError(error)}): give another file`, {
      cause: error,
    })
  }
}

async function refuseExisting({ output, force }: Target): Promise<void> {
  const found = await lstat(output).catch(() => undefined)
  if (found?.isDirectory()) throw usageError(`--output ${output} is a folder: give a file in it`)
  if (!force && (found?.isFile() || found?.isSymbolicLink())) {
    throw usageError(`--output ${output} is there already: give another file, or --force to replace it`)
  }
}

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'

/** A file in a data folder. */
export interface DataFile {
  readonly path: string
  readonly bytes: number
}

/** All files of a data folder. */
export async function filesOf(dataDir: string): Promise<DataFile[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const files: DataFile[] = []
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    files.push({ path, bytes: (await stat(path)).size })
  }
  return files
}

/** Bytes of the files with this ending. */
export async function bytesOf(dataDir: string, ending: string): Promise<number> {
  const files = await filesOf(dataDir)
  return files.filter(({ path }) => path.endsWith(ending)).reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Resolves when no snapshot is being written any more. */
export async function snapshotsWritten(dataDir: string): Promise<void> {
  for (;;) {
    const names = await readdir(dataDir, { recursive: true })
    if (!names.some((name) => name.endsWith('.tmp'))) return
    await turn()
  }
}

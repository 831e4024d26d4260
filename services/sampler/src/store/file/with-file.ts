import type { Disk, DiskFile } from './disk.js'

/** Opens a file for as long as `work` needs it. */
export async function withFile<T>(disk: Disk, path: string, work: (file: DiskFile) => Promise<T>): Promise<T> {
  const file = await disk.openFile(path)
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

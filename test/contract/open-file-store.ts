import { FileStore } from '../../services/sampler/src/store/file/file-store.js'
import type { Log } from '../../services/sampler/src/store/file/record-place.js'
import type { FaultyDisk } from '../support/faulty-disk.js'

/** Where the file store lies on a disk in memory. */
export const DATA_DIR = '/data'

export interface FileStoreSettings {
  readonly epochStarts: number
  readonly onFatal?: (error: Error) => void
  readonly log?: Log
}

/** Opens a file store on a disk in memory, which only one store at a time uses. */
export function openFileStore(disk: FaultyDisk, settings: FileStoreSettings): Promise<FileStore> {
  const lock = async () => async () => {}
  return FileStore.open(DATA_DIR, { onFatal: failTest, log: () => {}, ...settings, disk, lock })
}

function failTest(error: Error): void {
  throw error
}

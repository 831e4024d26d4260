import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileStore } from '../../services/sampler/src/store/file/file-store.js'
import { FaultyDisk } from '../support/faulty-disk.js'
import { nothingSurvives } from '../support/survivals.js'
import { openFileStore } from './open-file-store.js'
import { describeRunStore } from './run-store-contract.js'
import type { StoreInUse } from './store-kind.js'

/** A store whose successors are made by `next`; each ends before its successor begins. */
async function chain(
  open: () => Promise<FileStore>,
  next: (end: 'close' | 'crash', store: FileStore) => Promise<StoreInUse>,
) {
  const store = await open()
  let end = (): Promise<void> => store.close()
  const inUse: StoreInUse = {
    store,
    restart: async (how) => {
      const successor = await next(how, store)
      end = () => successor.dispose()
      return successor
    },
    dispose: () => end(),
  }
  return inUse
}

const onFatal = (error: Error) => {
  throw error
}

/** On the disk of the machine. The kernel lets no second store in before the first is closed: a crash is for the disk in memory. */
function openOnMachine(directory: string, epochStarts: number): Promise<StoreInUse> {
  const open = () => FileStore.open(directory, { epochStarts, onFatal, log: () => {} })
  return chain(open, async (_, store) => {
    await store.close()
    return openOnMachine(directory, epochStarts)
  })
}

function openInMemory(disk: FaultyDisk, epochStarts: number): Promise<StoreInUse> {
  return chain(
    () => openFileStore(disk, { epochStarts }),
    async (end, store) => {
      if (end === 'close') await store.close()
      return openInMemory(disk.afterPowerLoss(nothingSurvives), epochStarts)
    },
  )
}

describeRunStore({
  name: 'file',
  sequences: 15,
  start: async (epochStarts) => {
    const directory = await mkdtemp(join(tmpdir(), 'keepset-contract-'))
    const inUse = await openOnMachine(directory, epochStarts)
    const dispose = async () => {
      await inUse.dispose()
      await rm(directory, { recursive: true })
    }
    return { ...inUse, dispose }
  },
})

describeRunStore({
  name: 'file (on a disk that loses what is not synced)',
  sequences: 150,
  start: (epochStarts, delay) => openInMemory(new FaultyDisk(delay ? { delay } : {}), epochStarts),
})

import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { DiskFailure } from './file-errors.js'
import { GuardedDisk } from './guarded-disk.js'
import { gate } from './testing/gate.js'
import { ScriptedDisk, systemError } from './testing/scripted-disk.js'
import { removeTemporaryFolders, temporaryFolder } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

async function start() {
  const folder = await temporaryFolder()
  const disk = new ScriptedDisk()
  const fatal: Error[] = []
  const guarded = new GuardedDisk(disk, (error) => fatal.push(error))
  const path = join(folder, 'file')
  return { folder, disk, fatal, guarded, path, file: await guarded.createFile(path) }
}

/** Everything that changes what is on a disk. */
const changes = ({
  guarded,
  file,
  path,
  folder,
}: Awaited<ReturnType<typeof start>>): [string, () => Promise<unknown>][] => [
  ['makeDirectory', () => guarded.makeDirectory(join(folder, 'a'))],
  ['createFile', () => guarded.createFile(join(folder, 'b'))],
  ['rename', () => guarded.rename(path, join(folder, 'c'))],
  ['remove', () => guarded.remove(path)],
  ['syncDirectory', () => guarded.syncDirectory(folder)],
  ['append', () => file.append([Uint8Array.of(1)])],
  ['truncate', () => file.truncate(0)],
  ['sync', () => file.sync()],
]

describe('an error', () => {
  it('says what was to be done with which file, and keeps its cause', async () => {
    const { disk, fatal, file, path } = await start()
    const cause = systemError('ENOSPC')
    disk.before = () => {
      throw cause
    }
    const error = await file.append([Uint8Array.of(1)]).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(DiskFailure)
    expect(error).toMatchObject({ code: 'ENOSPC', cause, message: `cannot append to ${path}: ${cause.message}` })
    disk.before = () => {}
    await file.append([Uint8Array.of(1)])
    expect(fatal).toEqual([])
  })
})

describe.each(['sync', 'syncDirectory'] as const)('a %s that fails', (operation) => {
  it('is told once, and nothing is written or synced after it', async () => {
    const started = await start()
    const { disk, fatal, guarded, file, folder, path } = started
    disk.before = (call) => {
      if (call.operation === operation) throw systemError('EIO')
    }
    await expect(operation === 'sync' ? file.sync() : guarded.syncDirectory(folder)).rejects.toMatchObject({
      code: 'EIO',
    })
    const calls = disk.calls.length
    for (const [, change] of changes(started)) await expect(change()).rejects.toThrow(/^cannot .*: cannot sync .*: EIO/)
    expect(disk.calls).toHaveLength(calls)
    expect(fatal.map(({ message }) => message)).toEqual([
      `cannot sync ${operation === 'sync' ? path : folder}: EIO: as it was scripted`,
    ])
    expect(await guarded.list(folder)).toEqual(['file'])
    expect(await file.read(0, 1)).toHaveLength(0)
    await file.close()
  })
})

it('syncs that fail together are told once', async () => {
  const { disk, fatal, guarded, file, folder } = await start()
  const both = gate()
  disk.before = async () => {
    await both.opened
    throw systemError('EIO')
  }
  const syncs = Promise.allSettled([file.sync(), guarded.syncDirectory(folder)])
  both.open()
  expect((await syncs).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(fatal).toHaveLength(1)
})

describe('a closed disk', () => {
  it('has ended what was under way, and refuses every change', async () => {
    const started = await start()
    const { disk, fatal, guarded, file, path } = started
    let goOn = () => {}
    disk.before = () => new Promise((resolve) => (goOn = resolve))
    const order: string[] = []
    const synced = file.sync().then(() => order.push('synced'))
    const closed = guarded.close().then(() => order.push('closed'))
    const calls = disk.calls.length
    for (const [, change] of changes(started)) await expect(change()).rejects.toThrow(/: the store is closed$/)
    expect(disk.calls).toHaveLength(calls)
    goOn()
    await Promise.all([synced, closed])
    expect(order).toEqual(['synced', 'closed'])
    expect(fatal).toEqual([])
    disk.before = () => {}
    await file.close()
    expect(await guarded.openFile(path)).toBeDefined()
  })

  it('tells of a sync that was under way and fails', async () => {
    const { disk, fatal, guarded, file } = await start()
    let fail = () => {}
    disk.before = () =>
      new Promise((_, reject) => {
        fail = () => reject(systemError('EIO'))
      })
    const synced = file.sync()
    const closed = guarded.close()
    fail()
    await expect(synced).rejects.toMatchObject({ code: 'EIO' })
    await closed
    expect(fatal).toHaveLength(1)
  })
})

import { cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RunLease } from '../../runs/ports.js'
import { FileStore, type FileStoreOptions } from './file-store.js'
import { gate } from './testing/gate.js'
import { edit, type LogLine } from './testing/record-folder.js'
import { readWhole, reportOf, snapshotOf, textOf } from './testing/run-events.js'
import { type DiskCall, ScriptedDisk, systemError } from './testing/scripted-disk.js'
import { removeTemporaryFolders, temporaryFolder } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

/** A store in a directory of its own, or in a given one. */
async function start(given?: string, options: Partial<FileStoreOptions> = {}) {
  const directory = given ?? join(await temporaryFolder(), 'data')
  const disk = new ScriptedDisk()
  const lines: LogLine[] = []
  const fatal: Error[] = []
  const store = await FileStore.open(directory, {
    epochStarts: 3,
    onFatal: (error) => fatal.push(error),
    log: (level, facts, message) => lines.push({ level, message, facts: { ...facts } }),
    disk,
    ...options,
  })
  onTestFinished(() => store.close())
  const folder = join(directory, 'runs', 'run')
  const files = async () => (await readdir(folder)).sort()
  return { directory, disk, lines, fatal, store, folder, files }
}

/** The directory as another process would find it if this one were killed now. */
async function afterKill(directory: string): Promise<string> {
  const copy = join(await temporaryFolder(), 'data')
  await cp(directory, copy, { recursive: true })
  return copy
}

/** Opens a run and reads its record. */
async function recover(store: FileStore, runId = 'run') {
  const record = await store.open(runId)
  return { lease: record.lease, ...(await readWhole(record)) }
}

const failing = (disk: ScriptedDisk, operation: DiskCall['operation'], code: string, end = '') => {
  disk.before = (call) => {
    if (call.operation === operation && call.path.endsWith(end)) throw systemError(code)
  }
}

async function append(lease: RunLease, from: number, to = from): Promise<void> {
  await Promise.all(Array.from({ length: to - from + 1 }, (_, i) => lease.append(reportOf(from + i))))
}

describe('a file store', () => {
  it('says what an acknowledgement means, and that records take no memory', async () => {
    const { store, directory } = await start()
    expect(store.durability).toBe(`file: written and synced, ${directory}`)
    expect(store.recordBytes()).toBe(0)
  })

  it('is the only one in its directory, with the lock of the kernel', async () => {
    const { store, directory } = await start()
    const options = { epochStarts: 3, onFatal: () => {}, log: () => {} }
    await expect(FileStore.open(directory, options)).rejects.toThrow(/ is in use by another sampler \(process \d+\)/)
    await store.close()
    await store.close()
    await (await FileStore.open(directory, options)).close()
  })

  it('does not take a damaged record for one without events at a glance', async () => {
    const { store, directory } = await start()
    const lease = await store.create('run', [snapshotOf('a', 0)])
    for (const sequence of [1, 2, 3]) await append(lease, sequence)
    const copy = await afterKill(directory)
    const [journal] = (await readdir(join(copy, 'runs', 'run'))).filter((name) => name.endsWith('.journal'))
    await edit(join(copy, 'runs', 'run', journal as string), (bytes) => {
      bytes[60] = (bytes[60] as number) ^ 1
    })
    const { store: next } = await start(copy)
    expect((await next.glance('run')).hasEvents).toBe(true)
    await expect(next.open('run')).rejects.toMatchObject({ reason: 'DAMAGED' })
  })

  it('keeps runs apart whose names differ in their case only', async () => {
    const { store, directory } = await start()
    const runIds = ['run', 'Run', 'RUN', 'run.', 'con']
    for (const runId of runIds) await append(await store.create(runId, [snapshotOf(runId, 0)]), runIds.indexOf(runId))
    await store.close()
    const { store: next } = await start(directory)
    expect((await next.list()).sort()).toEqual(runIds.toSorted())
    for (const [sequence, runId] of runIds.entries()) {
      expect(await recover(next, runId)).toMatchObject({ image: runId, sequences: [sequence] })
    }
  })

  it('has no run by a name that leads elsewhere', async () => {
    const { store } = await start()
    for (const runId of ['..', '../runs', '../../data', 'a/b', '', '.', 'x~new', 'x\\y']) {
      for (const call of [
        store.open(runId),
        store.glance(runId),
        store.remove(runId),
        store.create(runId, [snapshotOf('x')]),
      ]) {
        await expect(call).rejects.toMatchObject({ name: 'StoreError', reason: 'NOT_FOUND' })
      }
    }
  })

  it('leaves alone what is no run, and says so; what was not made or removed to its end goes', async () => {
    const { store, directory, folder } = await start()
    await store.create('run', [snapshotOf('start', 0)])
    await store.close()
    for (const name of ['run~new', 'old~removed', 'Backup of run']) {
      await mkdir(join(directory, 'runs', name))
      await writeFile(join(directory, 'runs', name, '00000001.snapshot'), '')
    }
    const { store: next, lines } = await start(directory)
    expect(await next.list()).toEqual(['run'])
    expect((await readdir(join(directory, 'runs'))).sort()).toEqual(['Backup of run', 'run'])
    const facts = { folder: join(folder, '..'), foreign: ['Backup of run'] }
    expect(lines).toEqual([{ level: 'warn', message: 'not runs, and left alone', facts }])
  })

  it('that cannot be opened says why, and lets go of its directory', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const disk = new ScriptedDisk()
    failing(disk, 'syncDirectory', 'EIO', '/runs')
    const onFatal = vi.fn()
    await expect(start(directory, { disk, onFatal })).rejects.toMatchObject({
      name: 'StoreError',
      reason: 'UNAVAILABLE',
      message: `cannot sync ${directory}/runs: EIO: as it was scripted`,
    })
    expect(onFatal).not.toHaveBeenCalled()
    expect(await (await start(directory)).store.list()).toEqual([])
  })

  it('lets nobody write who comes after it was closed', async () => {
    const { store } = await start()
    const lease = await store.create('run', [snapshotOf('start', 0)])
    const appended = append(lease, 1, 3)
    await store.close()
    await appended
    await expect(lease.append(reportOf(4))).rejects.toMatchObject({ reason: 'FENCED' })
    await expect(store.open('run')).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    await expect(store.create('other', [snapshotOf('start')])).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
  })

  it('is told once of a sync that failed, and writes for no run after it', async () => {
    const { store, disk, fatal } = await start()
    const leases = [await store.create('run', [snapshotOf('a')]), await store.create('other', [snapshotOf('b')])]
    failing(disk, 'sync', 'EIO')
    const [first, second] = leases as [RunLease, RunLease]
    await expect(append(first, 1, 9)).rejects.toMatchObject({ reason: 'UNAVAILABLE', cause: { code: 'EIO' } })
    const calls = disk.calls.length
    await expect(append(second, 1)).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    await expect(second.saveSnapshot(snapshotOf('c'))).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    await expect(store.remove('run')).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    await expect(store.create('third', [snapshotOf('d')])).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    const changes = ['createFile', 'append', 'sync', 'syncDirectory', 'rename', 'remove', 'truncate', 'makeDirectory']
    expect(disk.calls.slice(calls).filter(({ operation }) => changes.includes(operation))).toEqual([])
    expect(fatal).toHaveLength(1)
  })
})

describe('a process that is killed', () => {
  it('leaves what it acknowledged, and the next one goes on', async () => {
    const { store, directory } = await start()
    const lease = await store.create('run', [snapshotOf('start', 0)])
    await append(lease, 1, 5)
    const { store: second, directory: copied } = await start(await afterKill(directory))
    const recovered = await recover(second)
    expect(recovered).toMatchObject({ image: 'start', sequences: [1, 2, 3, 4, 5] })
    await append(recovered.lease, 6)
    await recovered.lease.saveSnapshot(snapshotOf('six', 1))
    await append(recovered.lease, 7, 8)
    const { store: third } = await start(await afterKill(copied))
    expect(await recover(third)).toMatchObject({ image: 'six', sequences: [7, 8] })
  })

  it('leaves fences that the next one does not use again', async () => {
    const { store, directory } = await start()
    await store.create('other', [snapshotOf('start', 0)])
    const lease = await store.create('run', [snapshotOf('start', 0)])
    const fences = [lease.fence]
    let next = directory
    for (const write of ['append', 'saveSnapshot', 'append'] as const) {
      next = await afterKill(next)
      const { store } = await start(next)
      const { lease } = await recover(store)
      if (write === 'append') await append(lease, 1)
      else await lease.saveSnapshot(snapshotOf('now'))
      fences.push(lease.fence)
    }
    expect(fences).toEqual([...new Set(fences)].sort((a, b) => a - b))
  })
})

describe('an epoch start', () => {
  it('that is damaged hinders only who wants it back', async () => {
    const { store, directory, folder } = await start()
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    for (const [epoch, text] of ['one', 'two'].entries()) await lease.saveSnapshot(snapshotOf(text, epoch + 1))
    await append(lease, 1)
    await store.close()
    const path = join(folder, '00000002.epoch-1.snapshot')
    await edit(path, (bytes) => bytes.fill(0, 0, 60))
    await edit(join(folder, '00000001.epoch-0.snapshot'), (bytes) => bytes.fill(0, 57, 58))
    const { store: next } = await start(directory)
    const recovered = await recover(next)
    expect(recovered).toMatchObject({ image: 'two', sequences: [1] })
    expect(recovered.lease.epochStarts).toEqual([0, 1, 2])
    await expect(textOf(recovered.lease.readEpochStart(0))).rejects.toMatchObject({
      name: 'StoreError',
      reason: 'DAMAGED',
      runId: 'run',
      message: expect.stringContaining(`${join(folder, '00000001.epoch-0.snapshot')}, byte 48: `),
    })
    await expect(textOf(recovered.lease.readEpochStart(1))).rejects.toThrow(`run "run" is damaged: ${path}, byte 0: `)
    expect(await textOf(recovered.lease.readEpochStart(2))).toBe('two')
    await append(recovered.lease, 2)
  })

  it('that is the newest snapshot takes the run along, and no other', async () => {
    const { store, directory, folder } = await start()
    for (const runId of ['run', 'other']) {
      const lease = await store.create(runId, [snapshotOf('zero', 0)])
      await lease.saveSnapshot(snapshotOf('one', 1))
    }
    await store.close()
    await edit(join(folder, '00000002.epoch-1.snapshot'), (bytes) => bytes.fill(0, 57, 58))
    const { store: next } = await start(directory)
    await expect(recover(next)).rejects.toMatchObject({ reason: 'DAMAGED', runId: 'run' })
    await expect(textOf((await next.glance('run')).image)).rejects.toMatchObject({ reason: 'DAMAGED' })
    expect(await recover(next, 'other')).toMatchObject({ image: 'one' })
    await next.remove('run')
    expect(await next.list()).toEqual(['other'])
  })
})

describe('a snapshot', () => {
  it('takes the place of what it covers, and of that alone', async () => {
    const { store, files } = await start(undefined, { epochStarts: 2 })
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    await append(lease, 1, 4)
    const saved = lease.saveSnapshot(snapshotOf('one', 1))
    await append(lease, 5, 6)
    await saved
    expect(await files()).toEqual(['000000000004.journal', '00000001.epoch-0.snapshot', '00000002.epoch-1.snapshot'])
    await lease.saveSnapshot(snapshotOf('two', 2))
    expect(await files()).toEqual(['00000002.epoch-1.snapshot', '00000003.epoch-2.snapshot'])
    await append(lease, 7)
    await lease.saveSnapshot(snapshotOf('end'))
    expect(await files()).toEqual(['00000002.epoch-1.snapshot', '00000003.epoch-2.snapshot', '00000004.snapshot'])
    await lease.saveSnapshot(snapshotOf('rewound', 1))
    expect(await files()).toEqual(['00000005.epoch-1.snapshot'])
  })

  it('is written while events are appended, and covers those before it', async () => {
    const { store, directory } = await start()
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    await append(lease, 1, 3)
    const slow = gate()
    const image = (async function* () {
      yield new TextEncoder().encode('one, two, ')
      await slow.opened
      yield new TextEncoder().encode('three')
    })()
    const saved = lease.saveSnapshot({ image, epochStart: 1 })
    await append(lease, 4, 5)
    const during = await start(await afterKill(directory))
    expect(await recover(during.store)).toMatchObject({ image: 'zero', sequences: [1, 2, 3, 4, 5] })
    slow.open()
    await saved
    await append(lease, 6)
    const after = await start(await afterKill(directory))
    expect(await recover(after.store)).toMatchObject({ image: 'one, two, three', sequences: [4, 5, 6] })
  })

  it('does not come before the events that it covers are durable', async () => {
    const { store, disk, files } = await start()
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    const held = gate()
    const begun = gate()
    disk.before = async ({ operation, path }) => {
      if (operation !== 'sync' || !path.endsWith('.journal')) return
      begun.open()
      await held.opened
    }
    const appended = append(lease, 1)
    const saved = lease.saveSnapshot(snapshotOf('one', 1))
    await begun.opened
    await vi.waitFor(() => expect(disk.count('sync', '.tmp')).toBe(2))
    await new Promise((resolve) => setImmediate(resolve))
    expect(await files()).toContain('00000002.epoch-1.snapshot.1.tmp')
    held.open()
    await Promise.all([appended, saved])
    expect(await files()).toEqual(['00000001.epoch-0.snapshot', '00000002.epoch-1.snapshot'])
  })

  it('of events that were refused is refused', async () => {
    const { store, disk, files } = await start()
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    failing(disk, 'append', 'ENOSPC', '.journal')
    const appended = append(lease, 1)
    const saved = lease.saveSnapshot(snapshotOf('one', 1))
    await expect(appended).rejects.toMatchObject({ reason: 'UNAVAILABLE', cause: { code: 'ENOSPC' } })
    await expect(saved).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    disk.before = () => {}
    await expect(lease.saveSnapshot(snapshotOf('two', 2))).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    await lease.release()
    expect(await recover(store)).toMatchObject({ image: 'zero', sequences: [] })
    expect((await files()).filter((name) => /tmp|epoch-[12]/.test(name))).toEqual([])
  })

  it.each([
    ['createFile', 'EACCES'],
    ['append', 'ENOSPC'],
    ['rename', 'EIO'],
  ] as const)(
    'that cannot be written (%s: %s) leaves everything as it was, and the lease goes on',
    async (operation, code) => {
      const { store, disk, files, fatal } = await start()
      const lease = await store.create('run', [snapshotOf('zero', 0)])
      await append(lease, 1)
      const before = await files()
      failing(disk, operation, code, '.tmp')
      await expect(lease.saveSnapshot(snapshotOf('one', 1))).rejects.toMatchObject({
        reason: 'UNAVAILABLE',
        cause: { code },
      })
      expect(await files()).toEqual(before)
      expect(lease.epochStarts).toEqual([0])
      disk.before = () => {}
      await append(lease, 2)
      await lease.saveSnapshot(snapshotOf('two', 2))
      await append(lease, 3)
      expect(await recover(store)).toMatchObject({ image: 'two', sequences: [3] })
      expect(fatal).toEqual([])
    },
  )

  it('that breaks by itself says why', async () => {
    const { store, files } = await start()
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    const broken = function* () {
      yield Uint8Array.of(1)
      throw new Error('the image broke')
    }
    await expect(lease.saveSnapshot({ image: broken() })).rejects.toThrow(/^the image broke$/)
    expect(await files()).toEqual(['00000001.epoch-0.snapshot'])
    await expect(store.create('other', [{ image: broken() }])).rejects.toThrow(/^the image broke$/)
    expect(await store.list()).toEqual(['run'])
  })

  it('is the only one at a time', async () => {
    const { store } = await start()
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    const saved = lease.saveSnapshot(snapshotOf('one', 1))
    await expect(lease.saveSnapshot(snapshotOf('two', 2))).rejects.toThrow('while another is being saved')
    await saved
    await lease.saveSnapshot(snapshotOf('two', 2))
    expect(lease.epochStarts).toEqual([0, 1, 2])
  })

  it('is written to its end when the lease is given back, and not when it is taken away', async () => {
    const { store, files } = await start()
    const slowImage = (opened: Promise<void>) =>
      (async function* () {
        await opened
        yield Uint8Array.of(1)
      })()
    const slow = gate()
    const first = await store.create('run', [snapshotOf('zero', 0)])
    const saved = first.saveSnapshot({ image: slowImage(slow.opened), epochStart: 1 })
    const order: string[] = []
    const released = first.release().then(() => order.push('released'))
    slow.open()
    await Promise.all([saved.then(() => order.push('saved')), released])
    expect(order).toEqual(['saved', 'released'])
    const { lease: second } = await recover(store)
    expect(second.epochStarts).toEqual([0, 1])
    const slower = gate()
    const refused = second.saveSnapshot({ image: slowImage(slower.opened), epochStart: 2 })
    const { lease: third } = await recover(store)
    slower.open()
    await expect(refused).rejects.toMatchObject({ reason: 'FENCED' })
    expect(third.epochStarts).toEqual([0, 1])
    await second.release()
    await append(third, 1)
    expect((await files()).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('does not come into its place after its lease was taken away, even if nobody could remove it', async () => {
    const { store, disk } = await start()
    const first = await store.create('run', [snapshotOf('zero', 0)])
    const synced = gate()
    const begun = gate()
    disk.before = async ({ operation, path }) => {
      if (operation === 'remove') throw systemError('EPERM')
      if (operation !== 'sync' || !path.endsWith('.tmp')) return
      begun.open()
      await synced.opened
    }
    const refused = first.saveSnapshot(snapshotOf('stale', 1))
    await begun.opened
    const { lease: second } = await recover(store)
    await append(second, 1)
    synced.open()
    await expect(refused).rejects.toMatchObject({ reason: 'FENCED' })
    expect(await recover(store)).toMatchObject({ image: 'zero', sequences: [1] })
  })

  it('whose obsolete files cannot be removed is none the worse; they go when the run is opened again', async () => {
    const { store, disk, lines, files, folder } = await start(undefined, { epochStarts: 1 })
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    await append(lease, 1)
    failing(disk, 'remove', 'EPERM')
    await lease.saveSnapshot(snapshotOf('one', 1))
    expect(lease.epochStarts).toEqual([1])
    expect(lines.map(({ message, facts }) => [message, (facts.err as Error).message])).toEqual([
      [
        'obsolete file not removed',
        `cannot remove ${join(folder, '00000001.epoch-0.snapshot')}: EPERM: as it was scripted`,
      ],
      ['obsolete file not removed', `cannot remove ${join(folder, '000000000000.journal')}: EPERM: as it was scripted`],
    ])
    expect((await store.glance('run')).epochStarts).toEqual([1])
    disk.before = () => {}
    expect((await files()).length).toBe(3)
    const recovered = await recover(store)
    expect(recovered).toMatchObject({ image: 'one', sequences: [] })
    expect(recovered.lease.epochStarts).toEqual([1])
    expect(await files()).toEqual(['00000002.epoch-1.snapshot'])
  })
})

describe('a record', () => {
  it('is not there before it is whole', async () => {
    const { store, disk, directory } = await start()
    for (const [operation, end] of [
      ['makeDirectory', ''],
      ['createFile', '.snapshot'],
      ['append', '.snapshot'],
      ['rename', '~new'],
    ] as const) {
      failing(disk, operation, 'ENOSPC', end)
      const creating = store.create('run', [snapshotOf('zero', 0), snapshotOf('now')])
      await expect(creating).rejects.toMatchObject({ reason: 'UNAVAILABLE', cause: { code: 'ENOSPC' } })
      disk.before = () => {}
      expect(await readdir(join(directory, 'runs'))).toEqual([])
      await expect(store.open('run')).rejects.toMatchObject({ reason: 'NOT_FOUND' })
    }
    await expect(store.create('run', [])).rejects.toThrow('run "run" came without a snapshot')
    const lease = await store.create('run', [snapshotOf('zero', 0), snapshotOf('four', 4), snapshotOf('now')])
    expect(lease.epochStarts).toEqual([0, 4])
  })

  it('that is removed is gone, also where its folder cannot be removed yet', async () => {
    const { store, disk, directory, lines } = await start()
    const lease = await store.create('run', [snapshotOf('zero', 0)])
    await append(lease, 1)
    disk.before = ({ operation }) => {
      if (operation === 'rename') failing(disk, 'remove', 'EBUSY')
    }
    await store.remove('run')
    expect(lines).toMatchObject([{ level: 'warn', message: 'folder not removed' }])
    await expect(lease.append(reportOf(2))).rejects.toMatchObject({ reason: 'FENCED' })
    expect(await store.list()).toEqual([])
    disk.before = () => {}
    const again = await store.create('run', [snapshotOf('again', 0)])
    expect(again.fence).toBeGreaterThan(lease.fence)
    await store.remove('run')
    expect(await readdir(join(directory, 'runs'))).toEqual([])
  })
})

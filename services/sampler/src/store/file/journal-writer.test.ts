import { appendFile, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { decodeEvent } from '../event-codec.js'
import { GuardedDisk } from './guarded-disk.js'
import { JournalWriter, type Segment } from './journal-writer.js'
import { segmentFile } from './record-files.js'
import { gate } from './testing/gate.js'
import { readSegment, recordPlace } from './testing/record-folder.js'
import { reportOf, sequencesOf } from './testing/run-events.js'
import { type DiskCall, systemError } from './testing/scripted-disk.js'
import { removeTemporaryFolders } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

async function start({ end = 0, segments = [] as Segment[], maxSegmentBytes = 1 << 20 } = {}) {
  const place = await recordPlace()
  const fatal: Error[] = []
  const disk = new GuardedDisk(place.disk, (error) => fatal.push(error))
  const journal = new JournalWriter({ ...place, disk }, 4, segments, end, maxSegmentBytes)
  onTestFinished(() => journal.close())
  const append = (from: number, to = from) =>
    Promise.all(Array.from({ length: to - from + 1 }, (_, i) => journal.append(reportOf(from + i))))
  /** Sequences in each segment, by its name. */
  const contents = async () => {
    const found: Record<string, unknown[]> = {}
    for (const name of (await readdir(place.folder)).sort()) {
      const events = await readSegment(
        place,
        join(place.folder, name),
        Number.parseInt(name, 10),
        async (reader, size) => {
          const all = []
          for await (const { events } of reader.readEvents(size))
            all.push(...events.map(({ bytes }) => decodeEvent(bytes)))
          return all
        },
      )
      found[name] = sequencesOf(events)
    }
    return found
  }
  return { ...place, scripted: place.disk, fatal, journal, append, contents }
}

/** What a promise has come to so far. */
function watch(promise: Promise<unknown>) {
  const watched = { state: 'waits' as 'waits' | 'resolved' | 'rejected', error: undefined as unknown }
  promise.then(
    () => {
      watched.state = 'resolved'
    },
    (error: unknown) => {
      watched.state = 'rejected'
      watched.error = error
    },
  )
  return watched
}

/** Holds the first call of an operation; resolves when it has begun. */
function hold(disk: { before: (call: DiskCall) => Promise<void> | void }, operation: DiskCall['operation']) {
  const begun = gate()
  const go = gate()
  disk.before = async (call) => {
    if (call.operation !== operation) return
    begun.open()
    await go.opened
  }
  return { begun: begun.opened, go: go.open }
}

describe('events', () => {
  it('share a promise where they are written together', async () => {
    const { journal } = await start()
    const first = journal.append(reportOf(1))
    expect(journal.append(reportOf(2))).toBe(first)
    await first
    const third = journal.append(reportOf(3))
    expect(third).not.toBe(first)
    await third
  })

  it('are synced, with the name of their segment, before they are acknowledged', async () => {
    const { scripted, journal, folder } = await start()
    await journal.append(reportOf(1))
    await journal.append(reportOf(2))
    const path = join(folder, '000000000000.journal')
    expect(scripted.calls).toEqual([
      { operation: 'createFile', path },
      { operation: 'append', path },
      { operation: 'sync', path },
      { operation: 'syncDirectory', path: folder },
      { operation: 'append', path },
      { operation: 'sync', path },
    ])
  })

  it('that come at once go with one write and one sync', async () => {
    const { scripted, journal, append, contents } = await start()
    await append(1, 64)
    expect([scripted.count('append'), scripted.count('sync')]).toEqual([1, 1])
    await journal.close()
    expect(await contents()).toEqual({ '000000000000.journal': Array.from({ length: 64 }, (_, i) => i + 1) })
  })

  it('that come while others are being synced wait together for the next sync', async () => {
    const { scripted, append } = await start()
    await append(1)
    const sync = hold(scripted, 'sync')
    const first = watch(append(2))
    await sync.begun
    const later = [watch(append(3, 10)), watch(append(11))]
    expect(scripted.count('append')).toBe(2)
    sync.go()
    await vi.waitFor(() => expect(later.map(({ state }) => state)).toEqual(['resolved', 'resolved']))
    expect(first.state).toBe('resolved')
    expect([scripted.count('append'), scripted.count('sync')]).toEqual([3, 3])
  })

  it('of many who each wait for the last one go together', async () => {
    const { scripted, journal } = await start()
    let sequence = 0
    const reporter = async () => {
      for (let i = 0; i < 20; i++) await journal.append(reportOf(++sequence))
    }
    await Promise.all(Array.from({ length: 16 }, reporter))
    expect(scripted.count('sync')).toBe(20)
  })

  it('are not acknowledged as long as the sync lasts, nor those that were appended before', async () => {
    const { scripted, append } = await start()
    const sync = hold(scripted, 'sync')
    const appended = [watch(append(1)), watch(append(2))]
    await sync.begun
    await new Promise((resolve) => setImmediate(resolve))
    expect(appended.map(({ state }) => state)).toEqual(['waits', 'waits'])
    sync.go()
    await vi.waitFor(() => expect(appended.map(({ state }) => state)).toEqual(['resolved', 'resolved']))
  })

  it('that are very many go in several groups', async () => {
    const { scripted, journal } = await start({ maxSegmentBytes: 1 << 28 })
    const big = reportOf(1, 300_000)
    await Promise.all(Array.from({ length: 8 }, () => journal.append(big)))
    expect(scripted.count('sync')).toBe(3)
  })

  it('take at most 8.2 bytes for an observation at a batch of 256', async () => {
    const { journal, folder } = await start()
    await Promise.all(Array.from({ length: 100 }, (_, i) => journal.append(reportOf(i + 1, 256))))
    const { size } = await stat(join(folder, '000000000000.journal'))
    expect(size / (100 * 256)).toBeLessThan(8.2)
  })
})

describe('segments', () => {
  it('begin where they are told to, also within what goes at once, and when they are full', async () => {
    const { journal, append, contents } = await start({ end: 10, maxSegmentBytes: 300 })
    const appended = [append(1, 2)]
    journal.beginSegment()
    appended.push(append(3))
    journal.beginSegment()
    journal.beginSegment()
    appended.push(append(4, 5))
    await Promise.all(appended)
    await append(6, 9)
    await append(10)
    await journal.close()
    expect(await contents()).toEqual({
      '000000000010.journal': [1, 2],
      '000000000012.journal': [3],
      '000000000013.journal': [4, 5, 6, 7, 8, 9],
      '000000000019.journal': [10],
    })
  })

  it('are known as obsolete when all their events are before a position', async () => {
    const former = [
      { ...segmentFile(0), end: 4 },
      { ...segmentFile(4), end: 10 },
    ]
    const { journal, append, scripted, folder } = await start({ end: 10, segments: former })
    const names = async (position: number) => (await journal.dropBefore(position)).map(({ first }) => first)
    expect(await names(9)).toEqual([0])
    await append(1, 3)
    journal.beginSegment()
    expect(await names(13)).toEqual([4, 10])
    expect(scripted.calls.at(-1)).toEqual({ operation: 'close', path: join(folder, '000000000010.journal') })
    await append(4)
    journal.beginSegment()
    await append(5)
    expect(await names(13)).toEqual([])
    expect(await names(14)).toEqual([13])
    expect(await names(14)).toEqual([])
  })
})

describe('a write that fails', () => {
  it('refuses its group and everything after it, and leaves what was acknowledged', async () => {
    const { scripted, journal, append, contents, fatal } = await start()
    await append(1, 2)
    const before = hold(scripted, 'append')
    const failing = watch(append(3, 4))
    await before.begun
    const waiting = watch(append(5))
    scripted.before = ({ operation }) => {
      if (operation === 'append') throw systemError('ENOSPC')
    }
    before.go()
    await vi.waitFor(() => expect(failing.state).toBe('resolved'))
    await vi.waitFor(() => expect(waiting.state).toBe('rejected'))
    expect(waiting.error).toMatchObject({
      name: 'StoreError',
      reason: 'UNAVAILABLE',
      runId: 'run',
      cause: { code: 'ENOSPC' },
    })
    expect(journal.refusal).toBe(waiting.error)
    scripted.before = () => {}
    await expect(append(6)).rejects.toBe(waiting.error)
    await expect(journal.durable).rejects.toBe(waiting.error)
    await journal.close()
    expect(await contents()).toEqual({ '000000000000.journal': [1, 2, 3, 4] })
    expect(fatal).toEqual([])
  })

  it('takes back what it had written', async () => {
    const { scripted, journal, append, folder } = await start()
    await append(1)
    const path = join(folder, '000000000000.journal')
    const whole = await readFile(path)
    // Half of the group is on the disk when it gets full.
    scripted.before = async ({ operation }) => {
      if (operation !== 'append') return
      await appendFile(path, 'half of a group')
      throw systemError('ENOSPC')
    }
    await expect(append(2)).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    await journal.close()
    expect(await readFile(path)).toEqual(whole)
  })

  it('of a segment that cannot be begun refuses, too', async () => {
    const { scripted, append } = await start()
    scripted.before = ({ operation }) => {
      if (operation === 'createFile') throw systemError('EACCES')
    }
    await expect(append(1)).rejects.toMatchObject({ reason: 'UNAVAILABLE', cause: { code: 'EACCES' } })
    scripted.before = () => {}
    await expect(append(2)).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
  })
})

it.each(['sync', 'syncDirectory'] as const)(
  'a %s that fails is fatal: nothing is written or synced after it',
  async (operation) => {
    const { scripted, journal, append, fatal } = await start()
    scripted.before = (call) => {
      if (call.operation === operation) throw systemError('EIO')
    }
    const first = append(1)
    await expect(first).rejects.toMatchObject({ reason: 'UNAVAILABLE', cause: { code: 'EIO' } })
    const calls = scripted.calls.length
    await expect(append(2)).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    await journal.close()
    expect(scripted.calls.slice(calls).map((call) => call.operation)).toEqual(['close'])
    expect(fatal).toHaveLength(1)
  },
)

it('an event that does not fit its bytes is refused, and so is every later one', async () => {
  const { journal, append } = await start()
  await expect(journal.append({ ...reportOf(1), rank: 70_000 })).rejects.toThrow('rank or world size 70000')
  await expect(append(2)).rejects.toThrow('rank or world size 70000')
  await journal.close()
})

it('a stop refuses what is not being written, and waits for what is', async () => {
  const { scripted, journal, append, contents } = await start()
  const sync = hold(scripted, 'sync')
  const written = watch(append(1))
  await sync.begun
  const refused = watch(append(2))
  const stopped = watch(journal.stop('stopped'))
  await expect(append(3)).rejects.toBe('stopped')
  expect([refused.error, written.state, stopped.state]).toEqual(['stopped', 'waits', 'waits'])
  sync.go()
  await vi.waitFor(() => expect(stopped.state).toBe('resolved'))
  expect(written.state).toBe('resolved')
  expect(await contents()).toEqual({ '000000000000.journal': [1] })
})

it('a close that fails loses nothing, and is logged', async () => {
  const { scripted, journal, append, lines } = await start()
  await append(1)
  scripted.before = ({ operation }) => {
    if (operation === 'close') throw systemError('EIO')
  }
  await journal.close()
  expect(lines).toMatchObject([
    { level: 'warn', message: 'segment not closed', facts: { runId: 'run', err: { code: 'EIO' } } },
  ])
})

import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RunLease, RunStore } from '../../services/sampler/src/runs/ports.js'
import {
  openWhole,
  planned,
  type ReadRecord,
  readRecord,
  refused,
  reported,
  show,
  snapshot,
  textOf,
} from './record-parts.js'
import { type StoreInUse, type StoreKind, withStore } from './store-kind.js'

/** Who may write: the newest lease, and nobody else. */
export function describeFencing(kind: StoreKind): void {
  describe('leases', () => {
    it('have fences that rise', () =>
      withStore(kind, async ({ store }) => {
        let { fence } = await store.create('run', [snapshot('start', 0)])
        for (let i = 0; i < 3; i++) {
          const { lease } = await openWhole(store, 'run')
          expect(lease.fence).toBeGreaterThan(fence)
          fence = lease.fence
          if (i === 1) await lease.release()
        }
      }))

    it('cannot write once there is a newer one', () =>
      withStore(kind, async ({ store }) => {
        const old = await store.create('run', [snapshot('start', 0)])
        await old.append(planned(0))
        const { lease } = await openWhole(store, 'run')
        await refused(old.append(reported(0, 1)), 'FENCED')
        await refused(old.saveSnapshot(snapshot('stale', 1)), 'FENCED')
        await lease.append(reported(0, 2))
        await old.release()
        await refused(old.append(reported(0, 1)), 'FENCED')
        await lease.append(reported(0, 3))
        const { image, events } = await openWhole(store, 'run')
        const expected = [planned(0), reported(0, 2), reported(0, 3)].map(show)
        expect({ image, events }).toEqual({ image: 'start', events: expected })
      }))

    it('do not end a snapshot that they began before there was a newer one', () =>
      withStore(kind, async ({ store }) => {
        const old = await store.create('run', [snapshot('start', 0)])
        await old.append(planned(0))
        let takeOver: () => void = () => {}
        const takenOver = new Promise<void>((resolve) => {
          takeOver = resolve
        })
        async function* image() {
          yield Buffer.from('stale ')
          await takenOver
          yield Buffer.from('image')
        }
        const saving = refused(old.saveSnapshot({ image: image(), epochStart: 1 }), 'FENCED')
        const { lease } = await openWhole(store, 'run')
        await lease.append(reported(0, 1))
        takeOver()
        await saving
        const opened = await openWhole(store, 'run')
        expect(opened).toMatchObject({ image: 'start', events: [planned(0), reported(0, 1)].map(show) })
        expect(opened.lease.epochStarts).toEqual([0])
      }))

    it('never read half of the events as if that were all', () =>
      withStore(kind, async ({ store }) => {
        const first = await store.create('run', [snapshot('start', 0)])
        for (let sequence = 1; sequence <= 5; sequence++) await first.append(reported(0, sequence))
        const old = await store.open('run')
        await textOf(old.image)
        const reading = old.events[Symbol.asyncIterator]()
        await reading.next()
        const { lease } = await openWhole(store, 'run')
        await lease.saveSnapshot(snapshot('later', 1))
        await lease.append(planned(1))
        const rest = async () => {
          let count = 1
          for await (const _ of { [Symbol.asyncIterator]: () => reading }) count++
          return count
        }
        expect(await rest().catch((error: { reason: string }) => error.reason)).toSatisfy(
          (outcome) => outcome === 'FENCED' || outcome === 5,
        )
      }))

    it('end with the record', () =>
      withStore(kind, async ({ store }) => {
        const old = await store.create('run', [snapshot('start', 0)])
        await store.remove('run')
        await refused(old.append(planned(0)), 'FENCED', 'NOT_FOUND')
        await refused(old.saveSnapshot(snapshot('stale', 1)), 'FENCED', 'NOT_FOUND')
        await old.release()
        expect(await store.list()).toEqual([])
        const lease = await store.create('run', [snapshot('another', 0)])
        await refused(old.append(planned(0)), 'FENCED', 'NOT_FOUND')
        await lease.append(planned(0))
        expect(await openWhole(store, 'run')).toMatchObject({ image: 'another', events: [show(planned(0))] })
      }))

    it('never write after a newer one was given, whatever comes first', async () => {
      const reached = { refused: 0, acknowledged: 0, saved: 0, takenOver: 0 }
      // A store may gather what comes in one turn of the event loop: each step has one.
      const scheduler = fc.scheduler({ act: (step) => step().then(() => nextTurn()) })
      const course = fc.record({
        appends: fc.integer({ min: 1, max: 6 }),
        saveAt: fc.integer({ min: 0, max: 6 }),
        /** Steps until each of the others opens the record. */
        waits: fc.array(fc.nat(25), { minLength: 1, maxLength: 3 }),
      })
      await fc.assert(
        fc.asyncProperty(scheduler, course, (steps, { appends, saveAt, waits }) => {
          const delay = () => steps.schedule(Promise.resolve())
          const test = async ({ store }: StoreInUse) => {
            const writer = new Writer(await store.create('run', [snapshot('', 0)]), delay)
            const takeOvers = waits.map((wait) => takeOver(store, wait, delay))
            const [, ...seen] = await Promise.all([writer.write(appends, saveAt), ...takeOvers])
            checkHistory(writer, seen, historyOf(await openWhole(store, 'run')))
            reached.refused += writer.refused.size
            reached.acknowledged += writer.acknowledged.size
            reached.saved += writer.saved
            reached.takenOver += seen.filter(({ appended }) => appended !== undefined).length
          }
          return steps.waitFor(withStore(kind, test, 3, delay))
        }),
        { numRuns: kind.sequences },
      )
      // A schedule that always goes the same way would prove nothing; where it does not rule the disk, it cannot do more.
      if (kind.sequences < 100) return
      for (const count of Object.values(reached)) expect(count).toBeGreaterThan(kind.sequences / 10)
    }, 60_000)
  })
}

/** Sequences of a lease that took over begin here: those of the first lease stay below. */
const marked = (fence: number) => 1000 + fence

/** The sequences of all reports of a record. An image has those that it covers as its text. */
function historyOf({ image, events }: ReadRecord): number[] {
  const covered = image.split(' ').filter((sequence) => sequence !== '')
  return [...covered.map(Number), ...events.map((event) => (JSON.parse(event) as { sequence: number }).sequence)]
}

/** An image of a history that takes its time. */
async function* slowImage(history: readonly number[], delay: () => Promise<unknown>): AsyncGenerator<Uint8Array> {
  await delay()
  for (const sequence of history) yield Buffer.from(`${sequence} `)
  await delay()
}

/** The first lease's work: appends, and a snapshot amid them. */
class Writer {
  readonly acknowledged = new Set<number>()
  readonly refused = new Set<number>()
  saved = 0
  readonly #lease: RunLease
  readonly #delay: () => Promise<unknown>

  constructor(lease: RunLease, delay: () => Promise<unknown>) {
    this.#lease = lease
    this.#delay = delay
  }

  async write(appends: number, saveAt: number): Promise<void> {
    const work: Promise<unknown>[] = []
    for (let sequence = 1; sequence <= appends; sequence++) {
      if (sequence === saveAt) work.push(this.#save(Array.from({ length: saveAt - 1 }, (_, before) => before + 1)))
      const appended = this.#lease.append(reported(0, sequence)).then(
        () => this.acknowledged.add(sequence),
        () => this.refused.add(sequence),
      )
      if (sequence % 2 === 0) await this.#delay()
      work.push(appended)
    }
    await Promise.all(work)
  }

  async #save(covered: readonly number[]): Promise<void> {
    await this.#lease.saveSnapshot({ image: slowImage(covered, this.#delay), epochStart: 1 }).then(
      () => this.saved++,
      (error: unknown) => expect(error).toMatchObject({ reason: 'FENCED' }),
    )
  }
}

/** What a lease that took over found, and what it appended. */
interface TakeOver {
  readonly fence: number
  readonly found: readonly number[]
  readonly appended?: number
}

/** Opens the record, appends to it and saves it, as far as that goes: others do the same. */
async function takeOver(store: RunStore, wait: number, delay: () => Promise<unknown>): Promise<TakeOver> {
  for (let i = 0; i < wait; i++) await delay()
  const opened = await store.open('run')
  const { fence } = opened.lease
  let found: number[] = []
  let appended: number | undefined
  try {
    found = historyOf(await readRecord(opened))
    await opened.lease.append(reported(0, marked(fence)))
    appended = marked(fence)
    await opened.lease.saveSnapshot({ image: slowImage([...found, appended], delay) })
  } catch (error) {
    expect(error).toMatchObject({ reason: 'FENCED' })
  }
  return { fence, found, ...(appended !== undefined && { appended }) }
}

/** A record is one history: each lease found what was there and went on from it, and nothing came in from behind. */
function checkHistory(writer: Writer, seen: readonly TakeOver[], history: readonly number[]): void {
  const own = history.filter((sequence) => sequence < marked(0))
  expect(own).toEqual(own.map((_, before) => before + 1))
  for (const sequence of writer.acknowledged) expect(own).toContain(sequence)
  for (const sequence of writer.refused) expect(own).not.toContain(sequence)
  for (const { found, fence, appended } of seen) {
    expect(history.slice(0, found.length)).toEqual(found)
    // After a lease took over, only it and newer ones wrote.
    const after = found.length > 0 || appended ? history.slice(found.length) : []
    for (const sequence of after) expect(sequence).toBeGreaterThanOrEqual(marked(fence))
    if (appended) expect(after[0]).toBe(appended)
  }
  const appended = seen.flatMap((each) => each.appended ?? []).sort((a, b) => a - b)
  expect(history.filter((sequence) => sequence > marked(0))).toEqual(appended)
}

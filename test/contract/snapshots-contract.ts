import { describe, expect, it } from 'vitest'
import { brokenImage, openWhole, planned, refused, reported, show, snapshot, textOf } from './record-parts.js'
import { type StoreKind, withStore } from './store-kind.js'

/** Snapshots, and what they make obsolete. */
export function describeSnapshots(kind: StoreKind): void {
  describe('snapshots', () => {
    it('take the place of the events that they cover', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('start', 0)])
        await lease.append(planned(0))
        await lease.append(reported(0, 1))
        await lease.saveSnapshot(snapshot('after one report'))
        await lease.append(reported(0, 2))
        const { image, events } = await openWhole(store, 'run')
        expect({ image, events }).toEqual({ image: 'after one report', events: [show(reported(0, 2))] })
      }))

    it('cover what was appended before, and nothing that is appended while they are written', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('start', 0)])
        let goOn = () => {}
        const gate = new Promise<void>((resolve) => {
          goOn = resolve
        })
        async function* image() {
          yield Buffer.from('slow ')
          await gate
          yield Buffer.from('image')
        }
        const before = lease.append(reported(0, 1))
        const saved = lease.saveSnapshot({ image: image(), epochStart: 1 })
        const beside = lease.append(reported(0, 2))
        await Promise.all([before, beside])
        await lease.append(reported(0, 3))
        goOn()
        await lease.append(reported(0, 4))
        await saved
        await lease.append(reported(0, 5))
        const opened = await openWhole(store, 'run')
        const expected = [2, 3, 4, 5].map((sequence) => show(reported(0, sequence)))
        expect(opened).toMatchObject({ image: 'slow image', events: expected })
        expect(opened.lease.epochStarts).toEqual([0, 1])
      }))

    it('may come in pieces of any size, out of memory that is used again', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('', 0)])
        expect((await openWhole(store, 'run')).image).toBe('')
        await lease.release()
        const opened = await openWhole(store, 'run')
        function* image() {
          const piece = Buffer.alloc(0x100000)
          for (const letter of 'abc') yield piece.fill(letter)
          yield new Uint8Array()
          yield piece.fill('d').subarray(7, 10)
        }
        await opened.lease.saveSnapshot({ image: image(), epochStart: 1 })
        const expected = `${'a'.repeat(0x100000)}${'b'.repeat(0x100000)}${'c'.repeat(0x100000)}ddd`
        expect((await textOf(opened.lease.readEpochStart(1))) === expected).toBe(true)
        expect((await openWhole(store, 'run')).image === expected).toBe(true)
      }))

    it('that break leave the record as it was, and the lease goes on', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('start', 0)])
        await lease.append(planned(0))
        await expect(lease.saveSnapshot({ image: brokenImage(), epochStart: 1 })).rejects.toThrow('the image broke')
        expect(lease.epochStarts).toEqual([0])
        await lease.append(reported(0, 1))
        const expected = [planned(0), reported(0, 1)].map(show)
        expect(await openWhole(store, 'run')).toMatchObject({ image: 'start', events: expected })
        const { lease: next } = await openWhole(store, 'run')
        await next.saveSnapshot(snapshot('at last', 1))
        expect(await openWhole(store, 'run')).toMatchObject({ image: 'at last', events: [] })
      }))

    it('cover the events read so far where a record is still being read', () =>
      withStore(kind, async ({ store }) => {
        const events = [reported(0, 1), planned(1), reported(1, 1), planned(2), reported(2, 1)]
        const first = await store.create('run', [snapshot('start', 0)])
        for (const event of events) await first.append(event)
        const opened = await store.open('run')
        await textOf(opened.image)
        const read: string[] = []
        for await (const event of opened.events) {
          // The event at hand is not covered: the snapshot is of the state before it.
          if (event.type === 'epoch_planned')
            await opened.lease.saveSnapshot(snapshot(`epoch ${event.epoch}`, event.epoch))
          read.push(show(event))
        }
        expect(read).toEqual(events.map(show))
        expect(opened.lease.epochStarts).toEqual([0, 1, 2])
        await opened.lease.append(reported(2, 2))
        const expected = [planned(2), reported(2, 1), reported(2, 2)].map(show)
        const again = await openWhole(store, 'run')
        expect(again).toMatchObject({ image: 'epoch 2', events: expected })
        expect(await textOf(again.lease.readEpochStart(1))).toBe('epoch 1')
      }))

    it('of the newest epoch starts are kept, and those that a rewind takes back go', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('epoch 0', 0)])
        for (const epoch of [1, 2, 3, 4]) {
          await lease.append(planned(epoch - 1))
          await lease.saveSnapshot(snapshot(`epoch ${epoch}`, epoch))
        }
        expect(lease.epochStarts).toEqual([2, 3, 4])
        await refused(textOf(lease.readEpochStart(1)), 'NOT_FOUND')
        await refused(textOf(lease.readEpochStart(5)), 'NOT_FOUND')
        await lease.append(planned(4))
        await lease.saveSnapshot(snapshot('epoch 3 again', 3))
        expect(lease.epochStarts).toEqual([2, 3])
        await refused(textOf(lease.readEpochStart(4)), 'NOT_FOUND')
        const opened = await openWhole(store, 'run')
        expect(opened).toMatchObject({ image: 'epoch 3 again', events: [] })
        expect(opened.lease.epochStarts).toEqual([2, 3])
        expect(await textOf(opened.lease.readEpochStart(2))).toBe('epoch 2')
        expect(await textOf(opened.lease.readEpochStart(3))).toBe('epoch 3 again')
      }))

    it('that are no epoch start serve until the next', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('epoch 0', 0)])
        await lease.append(planned(0))
        await lease.saveSnapshot(snapshot('in the middle'))
        expect(lease.epochStarts).toEqual([0])
        expect(await textOf(lease.readEpochStart(0))).toBe('epoch 0')
        expect(await openWhole(store, 'run')).toMatchObject({ image: 'in the middle', events: [] })
      }))

    it('are kept for recovery alone where no epoch starts are', () =>
      withStore(
        kind,
        async ({ store }) => {
          const lease = await store.create('run', [snapshot('epoch 0', 0)])
          await lease.saveSnapshot(snapshot('epoch 1', 1))
          expect(lease.epochStarts).toEqual([])
          await refused(textOf(lease.readEpochStart(1)), 'NOT_FOUND')
          expect(await openWhole(store, 'run')).toMatchObject({ image: 'epoch 1', events: [] })
        },
        0,
      ))

    it('that are being read are read to their end, although they go meanwhile', () =>
      withStore(
        kind,
        async ({ store }) => {
          const lease = await store.create('run', [snapshot('the start of epoch 0', 0)])
          const reading = lease.readEpochStart(0)[Symbol.asyncIterator]()
          const pieces = [(await reading.next()).value as Uint8Array]
          await lease.saveSnapshot(snapshot('the start of epoch 1', 1))
          expect(lease.epochStarts).toEqual([1])
          for await (const piece of { [Symbol.asyncIterator]: () => reading }) pieces.push(piece)
          expect(Buffer.concat(pieces).toString()).toBe('the start of epoch 0')
        },
        1,
      ))
  })
}

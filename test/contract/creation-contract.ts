import { describe, expect, it } from 'vitest'
import type { Snapshot } from '../../services/sampler/src/runs/ports.js'
import { brokenImage, openWhole, planned, refused, reported, show, snapshot, textOf } from './record-parts.js'
import { type StoreKind, withStore } from './store-kind.js'

/** Records that come, are listed, looked at, and go. */
export function describeCreation(kind: StoreKind): void {
  describe('creation', () => {
    it('says what it promises and what it takes', () =>
      withStore(kind, async ({ store }) => {
        expect(store.durability).toMatch(/^[a-z]+: .+/)
        expect(store.recordBytes({ sampleCount: 1_000_000, columnCount: 0, hasWeights: false })).toBeGreaterThanOrEqual(
          store.recordBytes({ sampleCount: 1, columnCount: 0, hasWeights: false }),
        )
        expect(store.recordBytes({ sampleCount: 1, columnCount: 0, hasWeights: false })).toBeGreaterThanOrEqual(0)
      }))

    it('starts a record with a snapshot', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('nothing yet', 0)])
        expect(lease.epochStarts).toEqual([0])
        await lease.append(planned(0))
        await lease.release()
        expect(await openWhole(store, 'run')).toMatchObject({ image: 'nothing yet', events: [show(planned(0))] })
      }))

    it('starts a record with several snapshots, of which the last is the state', () =>
      withStore(kind, async ({ store }) => {
        const snapshots = [snapshot('epoch 4', 4), snapshot('epoch 5', 5), snapshot('amid epoch 5')]
        const created = await store.create('run', snapshots)
        expect(created.epochStarts).toEqual([4, 5])
        const { image, events, lease } = await openWhole(store, 'run')
        expect({ image, events }).toEqual({ image: 'amid epoch 5', events: [] })
        expect(lease.epochStarts).toEqual([4, 5])
        expect(await textOf(lease.readEpochStart(4))).toBe('epoch 4')
        expect(await textOf(lease.readEpochStart(5))).toBe('epoch 5')
      }))

    it('keeps no more epoch starts of a new record than of any other', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create(
          'run',
          [1, 2, 3, 4].map((epoch) => snapshot(`epoch ${epoch}`, epoch)),
        )
        expect(lease.epochStarts).toEqual([2, 3, 4])
        expect((await openWhole(store, 'run')).lease.epochStarts).toEqual([2, 3, 4])
      }))

    it('lists the runs, whatever their names', () =>
      withStore(kind, async ({ store }) => {
        const runIds = ['a', 'A', 'aB', 'Ab', 'con', 'nul.txt', 'x.tmp', 'x', 'end.', '9-_', `z${'y'.repeat(127)}`]
        for (const runId of runIds) await store.create(runId, [snapshot(`state of ${runId}`, 0)])
        expect((await store.list()).sort()).toEqual(runIds.sort())
        for (const runId of runIds) expect((await openWhole(store, runId)).image).toBe(`state of ${runId}`)
      }))

    it('refuses a run_id that has a record', () =>
      withStore(kind, async ({ store }) => {
        await store.create('run', [snapshot('first', 0)])
        await refused(store.create('run', [snapshot('second', 0)]), 'EXISTS')
        expect((await openWhole(store, 'run')).image).toBe('first')
      }))

    it('gives a run_id that is asked for twice at once to one', () =>
      withStore(kind, async ({ store }) => {
        const results = await Promise.allSettled(['0', '1'].map((text) => store.create('run', [snapshot(text, 0)])))
        const winner = results.findIndex(({ status }) => status === 'fulfilled')
        const refusal = results.find(({ status }) => status === 'rejected')
        expect(refusal).toMatchObject({ reason: { reason: 'EXISTS' } })
        expect((await openWhole(store, 'run')).image).toBe(String(winner))
      }))

    it('shows nothing of a record before it is whole', () =>
      withStore(kind, async ({ store }) => {
        async function* looked(): AsyncGenerator<Snapshot> {
          yield snapshot('epoch 1', 1)
          expect(await store.list()).toEqual([])
          await refused(store.open('run'), 'NOT_FOUND')
          await refused(store.glance('run'), 'NOT_FOUND')
          yield snapshot('epoch 2', 2)
        }
        await store.create('run', looked())
        expect(await store.list()).toEqual(['run'])
      }))

    it.each<[string, () => Iterable<Snapshot>]>([
      ['an image breaks', () => [snapshot('whole', 0), { image: brokenImage(), epochStart: 1 }]],
      ['there is no snapshot', () => []],
      [
        'the snapshots break',
        function* () {
          yield snapshot('whole', 0)
          throw new Error('the snapshots broke')
        },
      ],
    ])('leaves nothing of a record where %s', (_, snapshots) =>
      withStore(kind, async ({ store }) => {
        await expect(store.create('run', snapshots())).rejects.toThrow(Error)
        expect(await store.list()).toEqual([])
        await refused(store.open('run'), 'NOT_FOUND')
        await store.create('run', [snapshot('at last', 0)])
        expect((await openWhole(store, 'run')).image).toBe('at last')
      }),
    )

    it('looks at a record and leaves its lease alone', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('start', 0)])
        const before = await store.glance('run')
        expect([before.hasEvents, before.epochStarts]).toEqual([false, [0]])
        expect(await textOf(before.image)).toBe('start')
        await lease.append(planned(0))
        expect((await store.glance('run')).hasEvents).toBe(true)
        await lease.saveSnapshot(snapshot('later', 1))
        const after = await store.glance('run')
        expect([after.hasEvents, after.epochStarts]).toEqual([false, [0, 1]])
        for await (const piece of after.image) {
          expect(Buffer.from(piece).toString()).toBe('later')
          break
        }
        await lease.append(planned(1))
      }))

    it('removes a record, and knows it no more', () =>
      withStore(kind, async ({ store }) => {
        await (await store.create('run', [snapshot('gone', 0)])).release()
        await store.create('other', [snapshot('stays', 0)])
        await store.remove('run')
        expect(await store.list()).toEqual(['other'])
        await refused(store.open('run'), 'NOT_FOUND')
        await refused(store.glance('run'), 'NOT_FOUND')
        await refused(store.remove('run'), 'NOT_FOUND')
        await refused(store.open('never'), 'NOT_FOUND')
        expect((await openWhole(store, 'other')).image).toBe('stays')
      }))

    it('starts anew under the name of a run that was removed', () =>
      withStore(kind, async ({ store }) => {
        const old = await store.create('run', [snapshot('old', 0), snapshot('old 1', 1)])
        await old.append(planned(1))
        await store.remove('run')
        const lease = await store.create('run', [snapshot('new', 0)])
        expect(lease.fence).toBeGreaterThan(old.fence)
        await lease.append(reported(0, 1))
        expect(await openWhole(store, 'run')).toMatchObject({ image: 'new', events: [show(reported(0, 1))] })
      }))
  })
}

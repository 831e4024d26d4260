import { describe, expect, it } from 'vitest'
import type { RunEvent } from '../../services/sampler/src/runs/run-event.js'
import { finished, openWhole, planned, refused, reported, show, snapshot } from './record-parts.js'
import { type StoreKind, withStore } from './store-kind.js'

/** Events that are appended and read back. */
export function describeEvents(kind: StoreKind): void {
  describe('events', () => {
    it('come back as they were, in their order', () =>
      withStore(kind, async ({ store }) => {
        const losses = [0, -0, 1e-45, 3.4e38, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
        const events = [
          planned(0),
          reported(0, 1, losses),
          reported(0, 2, []),
          planned(1, [0, 7, 900_000]),
          planned(2, []),
          finished,
        ]
        const lease = await store.create('run', [snapshot('', 0)])
        for (const event of events) await lease.append(event)
        expect((await openWhole(store, 'run')).events).toEqual(events.map(show))
      }))

    it('are taken at once, and acknowledged in their order', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('start', 0)])
        const events = Array.from({ length: 300 }, (_, place) => reported(0, place + 1))
        const acknowledged: number[] = []
        await Promise.all(events.map((event, place) => lease.append(event).then(() => acknowledged.push(place))))
        expect(acknowledged).toEqual(events.map((_, place) => place))
        expect((await openWhole(store, 'run')).events).toEqual(events.map(show))
      }))

    it('may be large', () =>
      withStore(kind, async ({ store }) => {
        const losses = Array.from({ length: 300_000 }, (_, place) => place / 7)
        const events = [
          planned(
            0,
            losses.map((_, place) => place),
          ),
          reported(0, 1, losses),
          reported(0, 2),
        ]
        const lease = await store.create('run', [snapshot('start', 0)])
        await Promise.all(events.map((event) => lease.append(event)))
        expect((await openWhole(store, 'run')).events).toEqual(events.map(show))
      }))

    it('may be many', () =>
      withStore(kind, async ({ store }) => {
        const events = Array.from({ length: 2_000 }, (_, place) => {
          return reported(0, place + 1, Array(64 + (place % 400)).fill(place))
        })
        const lease = await store.create('run', [snapshot('start', 0)])
        await Promise.all(events.map((event) => lease.append(event)))
        const read = (await openWhole(store, 'run')).events
        expect(read.length).toBe(events.length)
        expect(read.findIndex((event, place) => event !== show(events[place] as RunEvent))).toBe(-1)
      }))

    it('of many runs do not mix', () =>
      withStore(kind, async ({ store }) => {
        const runIds = ['one', 'two', 'three']
        const leases = await Promise.all(runIds.map((runId) => store.create(runId, [snapshot(runId, 0)])))
        for (let sequence = 1; sequence <= 20; sequence++) {
          await Promise.all(leases.map((lease, place) => lease.append(reported(place, sequence))))
        }
        for (const [place, runId] of runIds.entries()) {
          const { image, events } = await openWhole(store, runId)
          const expected = Array.from({ length: 20 }, (_, before) => show(reported(place, before + 1)))
          expect({ image, events }).toEqual({ image: runId, events: expected })
        }
      }))

    it('go on after those that were read', () =>
      withStore(kind, async ({ store }) => {
        const first = await store.create('run', [snapshot('start', 0)])
        await first.append(planned(0))
        await first.release()
        for (let sequence = 1; sequence <= 4; sequence++) {
          const { lease } = await openWhole(store, 'run')
          await lease.append(reported(0, sequence))
          await lease.release()
        }
        const expected = [planned(0), ...[1, 2, 3, 4].map((sequence) => reported(0, sequence))]
        expect((await openWhole(store, 'run')).events).toEqual(expected.map(show))
      }))

    it('that are on their way arrive before the lease is given back', () =>
      withStore(kind, async ({ store }) => {
        const lease = await store.create('run', [snapshot('start', 0)])
        const events = [1, 2, 3].map((sequence) => reported(0, sequence))
        const appended = Promise.all(events.map((event) => lease.append(event)))
        await lease.release()
        await refused(lease.append(finished), 'FENCED')
        await refused(lease.saveSnapshot(snapshot('too late')), 'FENCED')
        await appended
        expect((await openWhole(store, 'run')).events).toEqual(events.map(show))
      }))

    it('that are on their way arrive before the store is closed', () =>
      withStore(kind, async ({ store, restart }) => {
        const lease = await store.create('run', [snapshot('start', 0)])
        const appended = lease.append(planned(0))
        await store.close()
        await appended
        await refused(lease.append(finished), 'FENCED', 'UNAVAILABLE')
        await refused(lease.saveSnapshot(snapshot('too late')), 'FENCED', 'UNAVAILABLE')
        const next = await restart?.('close')
        if (next) expect((await openWhole(next.store, 'run')).events).toEqual([show(planned(0))])
      }))

    it.each(['close', 'crash'] as const)('that were acknowledged are there after a %s', (end) =>
      withStore(kind, async ({ store, restart }) => {
        if (!restart) return
        const lease = await store.create('run', [snapshot('start', 0)])
        await lease.append(planned(0))
        await lease.saveSnapshot(snapshot('later', 1))
        await lease.append(reported(0, 1))
        const next = await restart(end)
        expect(await next.store.list()).toEqual(['run'])
        const opened = await openWhole(next.store, 'run')
        expect(opened).toMatchObject({ image: 'later', events: [show(reported(0, 1))] })
        expect(opened.lease.epochStarts).toEqual([0, 1])
        expect(opened.lease.fence).toBeGreaterThan(lease.fence)
        await opened.lease.append(reported(0, 2))
        const after = await next.restart?.(end)
        if (after) expect((await openWhole(after.store, 'run')).events).toHaveLength(2)
      }),
    )
  })
}

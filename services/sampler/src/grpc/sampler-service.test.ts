import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { lossReport, SamplerStubs } from '../../../../test/support/test-sampler.js'
import type { Report } from '../runs/check-report.js'
import { RunError } from '../runs/run-error.js'
import type { RunOwner } from '../runs/run-owner.js'
import { serveRegistry, stopServers } from './testing/served-registry.js'

afterEach(stopServers)

/** An owner that notes what it is handed, and when. */
function notingOwner(notes: unknown[]): RunOwner {
  const ack = { duplicate: false, observations: 1, nonFinite: 0, repeats: 0 }
  return {
    report: async ({ sequence, generation }: Report) => {
      notes.push(generation === 0 ? sequence : [sequence, generation])
      return ack
    },
  } as unknown as RunOwner
}

const reports = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => lossReport({ runId: 'run', sequence: from + i, indices: [0] }))

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

test('reports that come while their run is being loaded are handed over in their order, and so are those after them', async () => {
  const handed: unknown[] = []
  let owner: RunOwner | undefined
  let load = () => {}
  const loading = new Promise<RunOwner>((resolve) => {
    load = () => {
      owner = notingOwner(handed)
      resolve(owner)
    }
  })
  let asked = 0
  const { stubs } = await serveRegistry(SamplerStubs, {
    owner: () => {
      asked++
      // As the registry does: the run is in memory from one moment on, and some steps later those who wait are told.
      return owner ?? loading.then((loaded) => loaded).finally(() => undefined)
    },
  })
  const streams = [stubs.openReports(), stubs.openReports()]
  streams[0]?.send(...reports(1, 101))
  while (asked < 100) await turn()
  streams[1]?.send(...reports(101, 201))
  while (asked < 200) await turn()
  expect(handed).toEqual([])
  load()
  streams[0]?.send(...reports(201, 301))
  await Promise.all(streams.map((stream, i) => stream.acknowledged(i === 0 ? 200 : 100)))
  expect(handed).toEqual(upTo(300))
  expect(streams[0]?.acks.map(({ sequence }) => sequence)).toEqual([...upTo(100), ...upTo(300).slice(200)])
})

test('a report of a run in memory is handed over in the turn in which it comes', async () => {
  const notes: unknown[] = []
  const owner = notingOwner(notes)
  const { stubs } = await serveRegistry(SamplerStubs, {
    owner: () => {
      queueMicrotask(() => notes.push('a step later'))
      return owner
    },
  })
  await stubs.reportRaw(lossReport({ runId: 'run', sequence: 1, generation: 4, indices: [0] }))
  expect(notes).toEqual([[1, 4], 'a step later'])
})

test('reports that become durable at the same moment are acknowledged in one message, in their order', async () => {
  let asked = 0
  let makeDurable = () => {}
  const durable = new Promise<void>((resolve) => {
    makeDurable = resolve
  })
  const report = async () => {
    asked++
    await durable
    return { duplicate: false, observations: 1, nonFinite: 0, repeats: 0 }
  }
  const { stubs } = await serveRegistry(SamplerStubs, { owner: () => ({ report }) as unknown as RunOwner })
  const stream = stubs.openReports()
  stream.send(...reports(1, 101))
  while (asked < 100) await turn()
  makeDurable()
  await stream.acknowledged(100)
  expect(stream.acks.map(({ sequence }) => sequence)).toEqual(upTo(100))
  expect(stream.groups).toEqual([100])
})

test('a run that cannot be loaded ends the stream with the reason, after the acknowledgements of what came before', async () => {
  const owner = notingOwner([])
  const damaged = new RunError('RUN_DAMAGED', 'broken', 'its record is damaged')
  const { stubs } = await serveRegistry(SamplerStubs, {
    owner: (runId) => (runId === 'run' ? owner : Promise.reject(damaged)),
  })
  const stream = stubs.openReports()
  stream.send(...reports(1, 3), lossReport({ runId: 'broken', sequence: 1, indices: [0] }), ...reports(3, 5))
  const error = await stream.ended
  expect(error?.details).toBe('its record is damaged')
  expect(stream.acks.map(({ sequence }) => sequence)).toEqual([1, 2])
})

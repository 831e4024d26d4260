import { getEventListeners } from 'node:events'
import { afterEach, expect, test, vi } from 'vitest'
import { lossReport, SamplerStubs } from '../../../../test/support/test-sampler.js'
import { RunRegistry } from '../runs/run-registry.js'
import { ownerParts } from '../runs/testing/owner-parts.js'
import { testLimits } from '../runs/testing/test-limits.js'
import { MemoryStore } from '../store/memory/memory-store.js'
import { serveRegistry, stopServers } from './testing/served-registry.js'

afterEach(stopServers)

/** The gRPC side over a registry in memory. */
async function start() {
  const registry = await RunRegistry.open(new MemoryStore({ epochStarts: 3 }), testLimits(), ownerParts())
  const served = await serveRegistry(SamplerStubs, registry)
  return { ...served, listeners: () => getEventListeners(served.signal, 'abort').length }
}

test('calls leave no listener on the drain signal, however they end', async () => {
  const { stubs, listeners } = await start()
  await stubs.createRun('run', { sampleCount: 10 })
  const { indices } = await stubs.plan({ runId: 'run' })
  const done = stubs.openReports()
  done.send(lossReport({ runId: 'run', sequence: 1, indices: indices.slice(0, 5) }))
  await done.finish()
  const refused = stubs.openReports()
  refused.send(lossReport({ runId: 'run', sequence: 9, indices }))
  await refused.ended
  const vanished = stubs.openReports()
  vanished.send(lossReport({ runId: 'run', sequence: 2, indices: indices.slice(5) }))
  await vanished.acknowledged(1)
  vanished.cancel()
  await expect(stubs.plan({ runId: 'run', epoch: 7 })).rejects.toThrow(/epoch is 7/)
  await vi.waitFor(() => expect(listeners()).toBe(0))
})

test('clients that vanish are no errors of ours: nothing is logged', async () => {
  const { stubs, errors, listeners } = await start()
  await stubs.createRun('run', { sampleCount: 10 })
  const calls = Array.from({ length: 20 }, () => stubs.openPlan({ runId: 'run', worldSize: 2 }))
  for (const call of calls) call.on('error', () => {})
  await stubs.getRun('run')
  for (const call of calls) call.cancel()
  await vi.waitFor(() => expect(listeners()).toBe(0))
  expect(errors).toEqual([])
})

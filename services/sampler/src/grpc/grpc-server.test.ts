import { getEventListeners, setMaxListeners } from 'node:events'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { lossReport, SamplerStubs } from '../../../../test/support/test-sampler.js'
import { RunRegistry } from '../runs/run-registry.js'
import { ownerParts } from '../runs/testing/owner-parts.js'
import { MemoryStore } from '../store/memory/memory-store.js'
import { GrpcServer } from './grpc-server.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** The gRPC side alone, with its drain signal and its log in our hands. */
async function start() {
  const drain = new AbortController()
  setMaxListeners(0, drain.signal)
  const errors: string[] = []
  const log = new Writable({
    write: (line, _, done) => {
      errors.push(String(line))
      done()
    },
  })
  const registry = new RunRegistry(new MemoryStore(), { maxRuns: 10, maxSamples: 1000 }, ownerParts())
  const options = { listen: '127.0.0.1:0', maxMessageBytes: 1 << 20, keepaliveSeconds: 60 }
  const server = await GrpcServer.start(registry, pino({ level: 'error' }, log), drain.signal, options)
  const stubs = new SamplerStubs(server.address)
  closers.push(
    () => server.stop(0),
    () => stubs.close(),
  )
  return { stubs, errors, listeners: () => getEventListeners(drain.signal, 'abort').length }
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

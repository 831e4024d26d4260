import { once } from 'node:events'
import { connect } from 'node:net'
import { PlanEpochRequest } from '@keepset/proto'
import { expect, onTestFinished, test, vi } from 'vitest'
import { collect } from '../../support/calls.js'
import { type HealthAnswer, HealthClient } from '../../support/health-client.js'
import { RawCall } from '../../support/raw-call.js'
import { decodeRefusal, refused } from '../../support/refusal.js'
import { lossReport, TestSampler } from '../../support/test-sampler.js'

const DRAINING = { code: 'UNAVAILABLE', reason: 'DRAINING', domain: 'keepset.dev', retrySeconds: 1 }

async function startSampler(config: Parameters<typeof TestSampler.start>[0] = {}): Promise<TestSampler> {
  const sampler = await TestSampler.start(config)
  onTestFinished(() => sampler.close())
  return sampler
}

test('ends waits and open streams with UNAVAILABLE; what was acknowledged before stays so', async () => {
  const sampler = await startSampler()
  await sampler.createRun('run', { sampleCount: 100 })
  await sampler.plan({ runId: 'run' })
  const waiting = Array.from({ length: 12 }, (_, rank) =>
    refused(sampler.plan({ runId: 'run', epoch: 1, rank, worldSize: 13 })),
  )
  const streams = [sampler.openReports(), sampler.openReports()]
  streams[0]?.send(lossReport({ runId: 'run', sequence: 1, indices: [1] }))
  await streams[0]?.acknowledged(1)
  streams[1]?.send(lossReport({ runId: 'run', sequence: 1, indices: [1] }))
  await streams[1]?.acknowledged(1)
  await sampler.sampler.stop()
  for (const refusal of await Promise.all(waiting)) expect(refusal).toMatchObject(DRAINING)
  for (const stream of streams) expect(decodeRefusal(await stream.ended)).toMatchObject(DRAINING)
  expect(streams.map(({ acks }) => acks[0]?.duplicate)).toEqual([false, true])
  expect((await refused(sampler.getRun('run'))).code).toBe('UNAVAILABLE')
})

test('acknowledges what it took in before it ends a report stream', async () => {
  const sampler = await startSampler()
  await sampler.createRun('run', { sampleCount: 100 })
  const { indices } = await sampler.plan({ runId: 'run' })
  const stream = sampler.openReports()
  stream.send(...indices.map((index, i) => lossReport({ runId: 'run', sequence: i + 1, indices: [index] })))
  await stream.acknowledged(1)
  await sampler.sampler.stop()
  expect(decodeRefusal(await stream.ended)).toMatchObject(DRAINING)
  const sequences = stream.acks.map(({ sequence }) => sequence)
  expect(sequences).toEqual(indices.map((_, i) => i + 1).slice(0, sequences.length))
})

test('says NOT_SERVING to who watches, then ends the watch: it does not hold up the shutdown', async () => {
  const sampler = await startSampler()
  const health = new HealthClient(sampler.address)
  onTestFinished(() => health.close())
  const watches = ['', 'keepset.v1.SamplerService'].map((name) => health.watch(name))
  const answers = watches.map(() => [] as string[])
  const endings = watches.map((watch, i) => {
    watch.on('data', ({ status }: HealthAnswer) => answers[i]?.push(status))
    return refused(collect(watch))
  })
  await vi.waitFor(() => expect(answers).toEqual([['SERVING'], ['SERVING']]))
  await sampler.sampler.stop()
  for (const ending of endings) expect((await ending).code).toBe('UNAVAILABLE')
  expect(answers).toEqual([
    ['SERVING', 'NOT_SERVING'],
    ['SERVING', 'NOT_SERVING'],
  ])
})

/** A call that cannot end before its client lets it: nothing of the plan can be sent to it. */
async function openStuckPlan(sampler: TestSampler): Promise<RawCall> {
  await sampler.createRun('stuck', { sampleCount: 1000 })
  const call = await RawCall.open(sampler.address, '/keepset.v1.SamplerService/PlanEpoch', { initialWindowSize: 0 })
  onTestFinished(() => call.destroy())
  call.send(PlanEpochRequest.encode(PlanEpochRequest.fromPartial({ runId: 'stuck' })).finish())
  call.stream.end()
  await once(call.stream, 'response')
  return call
}

test('while calls are under way /readyz says 503, /healthz 200, and new calls are refused', async () => {
  const sampler = await startSampler()
  const call = await openStuckPlan(sampler)
  const stopped = sampler.sampler.stop()
  const status = async (path: string) => (await fetch(`http://${sampler.sampler.addresses.http}${path}`)).status
  expect(await status('/readyz')).toBe(503)
  expect(await status('/healthz')).toBe(200)
  expect((await refused(sampler.getRun('stuck'))).code).toBe('UNAVAILABLE')
  call.destroy()
  await stopped
})

test('cuts calls that are still under way when the grace period is over', async () => {
  const sampler = await startSampler({ drainSeconds: 0 })
  const call = await openStuckPlan(sampler)
  await sampler.sampler.stop()
  await vi.waitFor(() => expect(call.stream.destroyed).toBe(true))
})

test('does not wait for a client that keeps its end of the connection open', async () => {
  const sampler = await startSampler({ drainSeconds: 0 })
  const [host, port] = sampler.address.split(':')
  const client = connect({ host, port: Number(port), allowHalfOpen: true })
  onTestFinished(() => {
    client.destroy()
  })
  // The preface of HTTP/2 and an empty SETTINGS frame.
  client.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')
  await once(client, 'data')
  const ended = once(client.resume(), 'end')
  await sampler.sampler.stop()
  await ended
  expect(client.writable).toBe(true)
})

test('frees its ports, and those it had where it cannot have them all', async () => {
  const first = await startSampler()
  const { grpc, http } = first.sampler.addresses
  await expect(startSampler({ listen: grpc })).rejects.toThrow(`cannot listen on ${grpc} (--listen)`)
  const free = await startSampler()
  const { grpc: freed } = free.sampler.addresses
  await free.sampler.stop()
  await expect(startSampler({ listen: freed, http })).rejects.toThrow(`cannot listen on ${http} (--http)`)
  const again = await startSampler({ listen: freed })
  expect(again.sampler.addresses.grpc).toBe(freed)
  await again.sampler.stop()
  await first.sampler.stop()
})

import { credentials, makeClientConstructor } from '@grpc/grpc-js'
import { LossReport, RunServiceService, SamplerServiceService } from '@keepset/proto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask } from '../../support/calls.js'
import { decodeRefusal, refused } from '../../support/refusal.js'
import { lossReport, TestSampler } from '../../support/test-sampler.js'

const MAX_MESSAGE_BYTES = 100_000

let sampler: TestSampler
let indices: readonly number[]
beforeAll(async () => {
  sampler = await TestSampler.start({ maxMessageBytes: MAX_MESSAGE_BYTES })
  await sampler.createRun('run', { sampleCount: 1000 })
  indices = (await sampler.plan({ runId: 'run' })).indices
})
afterAll(() => sampler.stop())

const oversized = () => LossReport.fromPartial({ runId: 'run', sequence: 1, losses: Buffer.alloc(MAX_MESSAGE_BYTES) })
const report = (sequence: number) =>
  lossReport({ runId: 'run', sequence, indices: indices.slice(sequence, sequence + 1) })

test('an oversized unary message is RESOURCE_EXHAUSTED, changes nothing, and the same connection goes on', async () => {
  const before = await sampler.dump()
  expect((await refused(sampler.reportRaw(oversized()))).code).toBe('RESOURCE_EXHAUSTED')
  expect((await refused(sampler.getRun('x'.repeat(MAX_MESSAGE_BYTES)))).code).toBe('RESOURCE_EXHAUSTED')
  expect(await sampler.dump()).toBe(before)
  expect((await sampler.getRun('run')).runId).toBe('run')
})

test('an oversized message of a report stream ends it; what was acknowledged counts, what follows does not', async () => {
  const stream = sampler.openReports()
  stream.send(report(1), report(2))
  await stream.acknowledged(2)
  const before = await sampler.dump()
  stream.send(oversized(), report(3))
  expect(decodeRefusal(await stream.ended).code).toBe('RESOURCE_EXHAUSTED')
  expect(await sampler.dump()).toBe(before)
  expect(await sampler.reportRaw(report(3))).toMatchObject({ sequence: 3, duplicate: false })
})

test('an oversized message right behind good ones loses and doubles none of them', async () => {
  const all = Array.from({ length: 20 }, (_, i) => report(i + 4))
  const stream = sampler.openReports()
  stream.send(...all, oversized())
  expect(decodeRefusal(await stream.ended).code).toBe('RESOURCE_EXHAUSTED')
  const again = sampler.openReports()
  again.send(...all)
  const acks = await again.finish()
  const applied = acks.filter(({ duplicate }) => duplicate).length
  expect(applied).toBeGreaterThanOrEqual(stream.acks.length)
  expect((await sampler.getRun('run')).progress).toMatchObject({ reports: 23n, observations: 23n, repeats: 0n })
})

test('bytes that are no message are refused, unary and on a stream, and change nothing', async () => {
  const before = await sampler.dump()
  const broken = Buffer.from('0affffffff0f', 'hex') // A string of 4 GiB that is not there.
  const getRun = { ...RunServiceService.getRun, requestSerialize: (bytes: Buffer) => bytes }
  expect((await refused(ask(sampler.runs, getRun, broken))).code).toBe('INTERNAL')
  const planEpoch = { ...SamplerServiceService.planEpoch, requestSerialize: (bytes: Buffer) => bytes }
  const streamReports = { ...SamplerServiceService.streamReports, requestSerialize: (bytes: Buffer) => bytes }
  const Client = makeClientConstructor({ planEpoch, streamReports }, 'Raw')
  const client = new Client(sampler.address, credentials.createInsecure())
  const status = (call: NodeJS.EventEmitter) =>
    refused(
      new Promise((resolve, reject) =>
        call
          .on('data', () => {})
          .on('error', reject)
          .on('end', resolve),
      ),
    )
  expect((await status(client.planEpoch?.(broken))).code).toBe('INTERNAL')
  const stream = client.streamReports?.()
  const ended = status(stream)
  stream.write(broken)
  expect((await ended).code).toBe('INTERNAL')
  client.close()
  expect(await sampler.dump()).toBe(before)
})

import { PlanEpochRequest, StreamReportsRequest, StreamReportsResponse } from '@keepset/proto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { serverDeadline } from '../../support/calls.js'
import { FrameReader, frame, RawCall } from '../../support/raw-call.js'
import { refused } from '../../support/refusal.js'
import { lossReport, TestSampler } from '../../support/test-sampler.js'

const LARGE = 3_000_000
const PLAN_EPOCH = '/keepset.v1.SamplerService/PlanEpoch'
const STREAM_REPORTS = '/keepset.v1.SamplerService/StreamReports'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start()
  await sampler.createRun('other', { sampleCount: 100 })
})
/** Waits for every call, without end: a call that outlived its client would make the tests fail here. */
afterAll(() => sampler.stop())

/** The run that must not notice: its next epoch, with a report for every sample. */
async function useOther(): Promise<void> {
  const { nextEpoch: epoch } = await sampler.getRun('other')
  const { indices } = await sampler.plan({ runId: 'other', epoch })
  const ack = await sampler.report({ runId: 'other', epoch, sequence: 1, indices })
  expect(ack).toMatchObject({ duplicate: false, observationCount: 100 })
}

test('a client that cancels in the middle of a large plan leaves it as it is for the next one', async () => {
  await sampler.createRun('large', { sampleCount: LARGE })
  const call = sampler.openPlan({ runId: 'large' })
  call.on('error', () => {})
  await new Promise<void>((resolve) => {
    let messages = 0
    call.on('data', () => {
      if (++messages === 3) resolve()
    })
  })
  call.cancel()
  await useOther()
  const before = await sampler.dump()
  // A plan for another world size would be refused if the first had not been made.
  const chunks = sampler.openPlan({ runId: 'large', startPosition: LARGE - 10 })
  let positions = 0
  for await (const { part } of chunks) positions += part?.$case === 'chunk' ? part.value.sampleIndices.length / 4 : 0
  expect(positions).toBe(10)
  expect(await sampler.dump()).toBe(before)
})

describe('a client that vanishes while it waits for a plan', () => {
  test('and cancels many calls at once, leaves no waiter behind', async () => {
    const runId = 'waits-cancel'
    await sampler.createRun(runId, { sampleCount: 100 })
    const calls = Array.from({ length: 20 }, (_, i) => sampler.openPlan({ runId, rank: i % 3, worldSize: 4 }))
    for (const call of calls) call.on('error', () => {})
    await sampler.getRun(runId)
    for (const call of calls) call.cancel()
    // A waiter that stayed would make another world size impossible.
    const { indices } = await vi.waitFor(() => sampler.plan({ runId, worldSize: 1 }), { timeout: 10_000 })
    expect(indices).toHaveLength(100)
    await useOther()
  })

  test.each([
    ['resets it the moment it is sent', (call: RawCall) => call.stream.close(8)],
    ['loses its connection', (call: RawCall) => call.destroy()],
  ])('and %s, leaves no waiter behind', async (name, vanish) => {
    const runId = name.replaceAll(' ', '-')
    await sampler.createRun(runId, { sampleCount: 100 })
    const call = await RawCall.open(sampler.address, PLAN_EPOCH)
    call.send(PlanEpochRequest.encode(PlanEpochRequest.fromPartial({ runId, worldSize: 2 })).finish())
    call.stream.end()
    if (name.includes('connection')) {
      await call.ping()
      const refusal = await refused(sampler.plan({ runId, rank: 1, worldSize: 3 }, serverDeadline(300)))
      expect(refusal.reason).toBe('WORLD_SIZE_MISMATCH')
    }
    vanish(call)
    await vi.waitFor(() => sampler.plan({ runId, worldSize: 1 }), { timeout: 10_000 })
    call.destroy()
    await useOther()
  })
})

describe('a client that vanishes in the middle of a report stream', () => {
  /** Reports of one sample each. */
  const reportsOf = (runId: string, indices: readonly number[]) =>
    indices.map((index, i) => lossReport({ runId, sequence: i + 1, indices: [index] }))

  test.each([1, 7, 150])(
    'after %i or more acknowledgements: every report counts once when all are sent again',
    async (cut) => {
      const runId = `cut-${cut}`
      await sampler.createRun(runId, { sampleCount: 300 })
      const reports = reportsOf(runId, (await sampler.plan({ runId })).indices)
      const call = await RawCall.open(sampler.address, STREAM_REPORTS)
      const reader = new FrameReader()
      const acknowledged: number[] = []
      const enough = new Promise<void>((resolve) => {
        call.stream.on('data', (bytes: Buffer) => {
          for (const message of reader.push(bytes)) {
            acknowledged.push(...StreamReportsResponse.decode(message).acks.map(({ sequence }) => sequence))
            if (acknowledged.length >= cut) resolve()
          }
        })
      })
      call.send(...reports.map((report) => StreamReportsRequest.encode({ report }).finish()))
      await enough
      call.destroy()
      await useOther()

      const again = sampler.openReports()
      again.send(...reports)
      const acks = await again.finish()
      const duplicates = new Set(acks.filter(({ duplicate }) => duplicate).map(({ sequence }) => sequence))
      expect(acknowledged.filter((sequence) => !duplicates.has(sequence))).toEqual([])
      expect((await sampler.getRun(runId)).progress).toMatchObject({ reports: 300n, observations: 300n, repeats: 0n })
      expect((await sampler.plan({ runId, epoch: 1, lastSequence: 300 })).header.epoch).toBe(1)
    },
  )

  test('in the middle of a message: that report is not applied', async () => {
    await sampler.createRun('half', { sampleCount: 10 })
    const reports = reportsOf('half', (await sampler.plan({ runId: 'half' })).indices)
    const [first, second] = reports.map((report) => frame(StreamReportsRequest.encode({ report }).finish()))
    const call = await RawCall.open(sampler.address, STREAM_REPORTS)
    call.stream.write(first)
    call.stream.write(second?.subarray(0, 9))
    await new Promise((resolve) => call.stream.once('data', resolve))
    call.destroy()
    await useOther()
    expect(await sampler.reportRaw(reports[1])).toMatchObject({ sequence: 2, duplicate: false })
    expect((await sampler.getRun('half')).progress).toMatchObject({ reports: 2n })
  })

  test('or resets it with an error code of any kind', async () => {
    await sampler.createRun('reset', { sampleCount: 10 })
    const reports = reportsOf('reset', (await sampler.plan({ runId: 'reset' })).indices)
    for (const [i, code] of [1, 2, 7, 8].entries()) {
      const call = await RawCall.open(sampler.address, STREAM_REPORTS)
      call.send(StreamReportsRequest.encode({ report: reports[i] }).finish())
      await new Promise((resolve) => call.stream.once('data', resolve))
      call.stream.close(code)
      await call.ping()
      call.destroy()
    }
    expect((await sampler.getRun('reset')).progress).toMatchObject({ reports: 4n, observations: 4n })
    await useOther()
  })
})

test('a client that takes no acknowledgement is not read without end, and gets them all once it does', async () => {
  await sampler.createRun('deaf', { sampleCount: 2000 })
  const { indices } = await sampler.plan({ runId: 'deaf' })
  const call = await RawCall.open(sampler.address, STREAM_REPORTS, { initialWindowSize: 0 })
  const messages = indices.map((index, i) =>
    StreamReportsRequest.encode({ report: lossReport({ runId: 'deaf', sequence: i + 1, indices: [index] }) }).finish(),
  )
  call.send(...messages)
  call.stream.end()
  const applied = async () => Number((await sampler.getRun('deaf')).progress?.reports)
  let before = -1
  for (let now = await applied(); now !== before; now = await applied()) {
    before = now
    for (let turn = 0; turn < 20; turn++) await call.ping()
  }
  expect(before).toBeGreaterThan(0)
  expect(before).toBeLessThanOrEqual(256)
  await useOther()
  const reader = new FrameReader()
  const sequences: number[] = []
  call.stream.on('data', (bytes: Buffer) => {
    for (const message of reader.push(bytes)) {
      sequences.push(...StreamReportsResponse.decode(message).acks.map(({ sequence }) => sequence))
    }
  })
  await call.setWindow(65_535)
  await new Promise((resolve) => call.stream.once('end', resolve))
  call.destroy()
  expect(sequences).toEqual(indices.map((_, i) => i + 1))
  expect((await sampler.getRun('deaf')).progress).toMatchObject({ reports: 2000n, observations: 2000n })
})

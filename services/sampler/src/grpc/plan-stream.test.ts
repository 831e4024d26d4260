import { once } from 'node:events'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { type PlanChunk, PlanEpochRequest, PlanEpochResponse } from '@keepset/proto'
import { afterEach, expect, test, vi } from 'vitest'
import { FrameReader, RawCall } from '../../../../test/support/raw-call.js'
import { positionCount } from '../core/plans/sharding.js'
import { rankPositions } from '../core/plans/testing/rank-positions.js'
import type { Plan } from '../runs/plan.js'
import { Run } from '../runs/run.js'
import { resolveRunSpec } from '../runs/run-spec.js'
import { requestedSpec } from '../runs/testing/requested-spec.js'
import { pack, writePlanHeader } from './mapping.js'
import { CHUNK_POSITIONS, orderedPositions, type PlanCall, writePlan } from './plan-stream.js'
import { samplerDefinition } from './sampler-definition.js'

const SAMPLE_COUNT = 1_000_000
const CHUNKS = Math.ceil(SAMPLE_COUNT / CHUNK_POSITIONS)
const PLAN_EPOCH = '/keepset.v1.SamplerService/PlanEpoch'

function plannedRun(worldSize = 1, positionMultiple = 1): Run {
  const spec = resolveRunSpec(requestedSpec({ sampleCount: SAMPLE_COUNT, pruneRate: 0, positionMultiple }))
  const run = new Run({ time: 0, runId: 'run', spec })
  run.apply({ type: 'epoch_planned', time: 0, epoch: 0, worldSize, reason: 'warmup' })
  return run
}

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A server whose PlanEpoch writes the run's plan, and what writePlan did there. */
async function servePlan(run: Run, signal: AbortSignal) {
  const written = { messages: 0, end: undefined as 'done' | Error | undefined }
  const server = new Server()
  server.addService(samplerDefinition, {
    planEpoch: async (call: PlanCall) => {
      const write = call.write.bind(call)
      call.write = (...message: Parameters<typeof call.write>) => {
        written.messages++
        return write(...message)
      }
      if (!run.plan) throw new Error('the run has no plan')
      const { order, weights, sharding } = run.plan
      const positions = orderedPositions(order, weights, call.request.rank, sharding)
      await writePlan(call, writePlanHeader(run.plan, call.request.rank, 0), positions, signal).then(
        () => {
          written.end = 'done'
        },
        (error: Error) => {
          written.end = error
        },
      )
      call.end()
    },
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  closers.push(() => server.forceShutdown())
  return { address: `127.0.0.1:${port}`, written }
}

async function askForPlan(address: string, request: Partial<PlanEpochRequest> = {}): Promise<RawCall> {
  const call = await RawCall.open(address, PLAN_EPOCH, { initialWindowSize: 0 })
  closers.push(() => call.destroy())
  call.send(PlanEpochRequest.encode(PlanEpochRequest.fromPartial({ runId: 'run', ...request })).finish())
  call.stream.end()
  await once(call.stream, 'response')
  return call
}

/** Gives the server many turns in which it could do more. */
async function settle(call: RawCall): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await call.ping()
}

test('hands over a message only when the one before it is on its way: a reader that takes nothing holds the header', async () => {
  const { address, written } = await servePlan(plannedRun(), new AbortController().signal)
  const call = await askForPlan(address)
  await settle(call)
  expect(written.messages).toBe(1)

  // Room for the header and a part of the first chunk.
  await call.setWindow(10_000)
  await vi.waitFor(() => expect(written.messages).toBe(2))
  await settle(call)
  expect(written.messages).toBe(2)

  const reader = new FrameReader()
  const messages: Buffer[] = []
  call.stream.on('data', (bytes: Buffer) => messages.push(...reader.push(bytes)))
  await once(call.stream, 'end')
  expect(written).toEqual({ messages: 1 + CHUNKS, end: 'done' })
  const parts = messages.map((message) => PlanEpochResponse.decode(message).part?.$case)
  expect(parts).toEqual(['header', ...Array.from({ length: CHUNKS }, () => 'chunk')])
  for (const message of messages) expect(message.length).toBeLessThanOrEqual(1_000_000)
})

test.each([
  [1, 1, 0, 0],
  [2, 300_000, 1, 1],
  [3, 7, 2, 200_000],
])(
  'sends the positions of world size %d, multiple of %d, rank %d from %d on, each message with its own',
  async (worldSize, positionMultiple, rank, startPosition) => {
    const run = plannedRun(worldSize, positionMultiple)
    const { address } = await servePlan(run, new AbortController().signal)
    const call = await askForPlan(address, { rank, worldSize, startPosition })
    await call.setWindow(100_000_000)
    const reader = new FrameReader()
    const messages: Buffer[] = []
    call.stream.on('data', (bytes: Buffer) => messages.push(...reader.push(bytes)))
    await once(call.stream, 'end')

    const { order, sharding } = run.plan as Plan
    const end = positionCount(order.length, sharding)
    const [, ...chunks] = messages.map((message) => PlanEpochResponse.decode(message).part?.value as PlanChunk)
    const starts = chunks.map((chunk) => chunk.startPosition)
    expect(starts).toEqual(chunks.map((_, i) => startPosition + i * CHUNK_POSITIONS))
    const sent = Buffer.concat(chunks.map((chunk) => chunk.sampleIndices))
    expect(sent.equals(pack(rankPositions(order, rank, sharding, startPosition, end)))).toBe(true)
  },
)

test('stops with the reason of the signal while a reader takes nothing', async () => {
  const controller = new AbortController()
  const { address, written } = await servePlan(plannedRun(), controller.signal)
  const call = await askForPlan(address)
  const reason = new Error('enough')
  controller.abort(reason)
  await settle(call)
  expect(written).toEqual({ messages: 1, end: reason })
})

test('writes nothing where the signal has aborted before', async () => {
  const reason = new Error('gone')
  const { address, written } = await servePlan(plannedRun(), AbortSignal.abort(reason))
  const call = await RawCall.open(address, PLAN_EPOCH, { initialWindowSize: 0 })
  closers.push(() => call.destroy())
  call.send(PlanEpochRequest.encode(PlanEpochRequest.fromPartial({ runId: 'run' })).finish())
  call.stream.end()
  await vi.waitFor(() => expect(written.end).toBe(reason))
  expect(written.messages).toBe(0)
})

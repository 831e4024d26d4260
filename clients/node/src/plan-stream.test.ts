import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { type ServerWritableStream, status } from '@grpc/grpc-js'
import { type PlanEpochRequest, type PlanEpochResponse, PlanHeader, PlanReason } from '@keepset/proto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Connection } from './connection.js'
import { AbortedError, DeadlineError, InternalError, OutOfRangeError, UnavailableError } from './errors.js'
import { pack, unpackF32, unpackU32 } from './packed.js'
import { openPlan, readPlan } from './plan-stream.js'
import { fastTiming, testConnection } from './testing/connection.js'
import { deferred } from './testing/deferred.js'
import {
  drain,
  errorInfo,
  retryInfo,
  type ScriptedSampler,
  startScriptedSampler,
  statusOf,
} from './testing/scripted-sampler.js'

type Call = ServerWritableStream<PlanEpochRequest, PlanEpochResponse>

const request: PlanEpochRequest = {
  runId: 'r',
  epoch: 0,
  rank: 0,
  worldSize: 1,
  lastSequence: 0,
  startPosition: 0,
  generation: 0,
  scoreOnly: false,
}
const life = new AbortController().signal

let sampler: ScriptedSampler | undefined
let connection: Connection | undefined

afterEach(() => {
  connection?.close()
  sampler?.stop()
})

/** A server whose n-th plan stream does what `answer` says. */
async function start(
  answer: (call: Call, nth: number) => void,
  giveUpAfterMs = 300_000,
  timing = fastTiming(),
): Promise<Connection> {
  let streams = 0
  sampler = await startScriptedSampler({ planEpoch: (call: Call) => answer(call, streams++) })
  connection = testConnection(sampler.address, { giveUpAfterMs }, timing)
  return connection
}

function writeHeader(call: Call, positionCount: number, digest = 'digest', hasWeights = false) {
  const header = PlanHeader.fromPartial({
    positionCount,
    keptCount: positionCount,
    sampleCount: positionCount,
    reason: PlanReason.PLAN_REASON_WARMUP,
    digest: Buffer.from(digest),
    hasWeights,
  })
  call.write({ part: { $case: 'header', value: header } })
}

/** Index i is 10 i, and its weight, if it has one, i + 0.5. */
function writeChunk(call: Call, startPosition: number, count: number, weightCount = 0) {
  const sampleIndices = pack(Uint32Array.from({ length: count }, (_, i) => 10 * (startPosition + i)))
  const weights = pack(Float32Array.from({ length: weightCount }, (_, i) => startPosition + i + 0.5))
  call.write({ part: { $case: 'chunk', value: { startPosition, sampleIndices, weights } } })
}

async function read(on: Connection): Promise<number[]> {
  const opened = await openPlan(on, request, 60_000, life)
  const read: number[] = []
  for await (const piece of readPlan(on, request, opened, life)) read.push(...unpackU32(piece.sampleIndices))
  return read
}

const tens = (count: number) => Array.from({ length: count }, (_, i) => 10 * i)

describe('readPlan', () => {
  it('reads chunks in order', async () => {
    const on = await start((call) => {
      writeHeader(call, 5)
      writeChunk(call, 0, 3)
      writeChunk(call, 3, 2)
      call.end()
    })
    expect(await read(on)).toEqual(tens(5))
  })

  it('reads the weights of the indices', async () => {
    const on = await start((call) => {
      writeHeader(call, 5, 'digest', true)
      writeChunk(call, 0, 3, 3)
      writeChunk(call, 3, 2, 2)
      call.end()
    })
    const opened = await openPlan(on, request, 60_000, life)
    expect(opened.facts.hasWeights).toBe(true)
    const weights: number[] = []
    for await (const piece of readPlan(on, request, opened, life)) weights.push(...unpackF32(piece.weights))
    expect(weights).toEqual([0.5, 1.5, 2.5, 3.5, 4.5])
  })

  it('goes on at the position reached when the stream breaks, again and again', async () => {
    const asked: number[] = []
    let current: Call | undefined
    const on = await start((call, nth) => {
      const { startPosition } = call.request
      asked.push(startPosition)
      current = call
      if (nth === 1) {
        call.emit('error', drain)
        return
      }
      writeHeader(call, 8)
      if (nth === 3) {
        // After the header: nothing was gained.
        setImmediate(() => call.emit('error', drain))
        return
      }
      writeChunk(call, startPosition, Math.min(3, 8 - startPosition))
    })
    const opened = await openPlan(on, request, 60_000, life)
    const read: number[] = []
    for await (const piece of readPlan(on, request, opened, life)) {
      read.push(...unpackU32(piece.sampleIndices))
      current?.emit('error', drain)
    }
    expect(read).toEqual(tens(8))
    expect(asked).toEqual([0, 3, 3, 6, 6])
  })

  it('waits before it goes on as long as the sampler asks for, at each step', async () => {
    const draining = statusOf(status.UNAVAILABLE, 'draining', [errorInfo('DRAINING'), retryInfo(400)])
    const timing = fastTiming()
    const on = await start(
      (call, nth) => {
        if (nth < 2) {
          if (nth === 0) writeHeader(call, 2)
          setImmediate(() => call.emit('error', draining))
          return
        }
        writeHeader(call, 2)
        writeChunk(call, 0, 2)
        call.end()
      },
      300_000,
      timing,
    )
    expect(await read(on)).toEqual(tens(2))
    expect(timing.waits).toEqual([400, 400])
  })

  it('resumes where it may do so for ever', async () => {
    const waits: (number | undefined)[] = []
    const on = await start((call, nth) => {
      waits.push(call.request.maxWaitMs)
      writeHeader(call, 2)
      if (nth === 0) {
        setImmediate(() => call.emit('error', drain))
        return
      }
      writeChunk(call, 0, 2)
      call.end()
    }, Number.POSITIVE_INFINITY)
    expect(await read(on)).toEqual(tens(2))
    expect(waits).toEqual([60_000, undefined])
  })

  it('refuses to go on with another plan', async () => {
    const on = await start((call, nth) => {
      writeHeader(call, 4, `digest ${nth}`)
      setImmediate(() => call.emit('error', drain))
    })
    await expect(read(on)).rejects.toBeInstanceOf(AbortedError)
  })

  it.each([
    ['too few positions', (call: Call) => writeChunk(call, 0, 3)],
    ['too many positions', (call: Call) => writeChunk(call, 0, 5)],
    ['a chunk at the wrong position', (call: Call) => writeChunk(call, 1, 3)],
    ['a second header', (call: Call) => writeHeader(call, 4)],
    [
      'bytes that are no whole indices',
      (call: Call) =>
        call.write({
          part: {
            $case: 'chunk',
            value: { startPosition: 0, sampleIndices: Buffer.alloc(15), weights: Buffer.alloc(0) },
          },
        }),
    ],
    ['weights that were not announced', (call: Call) => writeChunk(call, 0, 4, 4)],
    ['fewer weights than indices', (call: Call) => writeChunk(call, 0, 4, 3), true],
    ['no weights where they were announced', (call: Call) => writeChunk(call, 0, 4), true],
  ])('does not take %s', async (_, write, hasWeights = false) => {
    const on = await start((call) => {
      writeHeader(call, 4, 'digest', hasWeights)
      write(call)
      call.end()
    })
    await expect(read(on)).rejects.toBeInstanceOf(InternalError)
  })

  it('tells the sampler when the reader leaves early', async () => {
    const left = deferred()
    const on = await start((call) => {
      call.on('cancelled', left.resolve)
      writeHeader(call, 4)
      writeChunk(call, 0, 2)
    })
    const opened = await openPlan(on, request, 60_000, life)
    for await (const _ of readPlan(on, request, opened, life)) break
    await left.promise
  })
})

describe('openPlan', () => {
  it.each([
    [1_500.2, 1_501],
    [0xffffffff, 0xffffffff],
    [0xffffffff + 1, undefined],
    [Number.POSITIVE_INFINITY, undefined],
  ])('waits %d ms, and asks the sampler to wait %d', async (timeoutMs, maxWaitMs) => {
    const asked = deferred<PlanEpochRequest>()
    const on = await start((call) => {
      asked.resolve(call.request)
      writeHeader(call, 4)
    })
    const opened = await openPlan(on, request, timeoutMs, life)
    expect(opened.facts.positionCount).toBe(4)
    expect((await asked.promise).maxWaitMs).toBe(maxWaitMs)
    opened.cancel()
  })

  it.each([
    ['of another epoch', { epoch: 3, generation: 2, reason: PlanReason.PLAN_REASON_WARMUP }],
    ['of another generation', { epoch: 0, generation: 3, reason: PlanReason.PLAN_REASON_WARMUP }],
    ['of what is to be scored', { generation: 2, reason: PlanReason.PLAN_REASON_WARMUP, scoreOnly: true }],
    ['without a reason', { epoch: 0, generation: 2, reason: PlanReason.PLAN_REASON_UNSPECIFIED }],
  ])('cancels the stream of a header %s', async (_, header) => {
    const cancelled = deferred()
    const on = await start((call) => {
      call.on('cancelled', cancelled.resolve)
      call.write({ part: { $case: 'header', value: PlanHeader.fromPartial(header) } })
    })
    const opening = openPlan(on, { ...request, generation: 2 }, 60_000, life)
    const error = await opening.catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(InternalError)
    expect(error).toMatchObject({ reason: 'UNREADABLE_ANSWER' })
    await cancelled.promise
  })

  it('listens to its signal no longer than to its stream, however that ends', async () => {
    const { signal } = new AbortController()
    const listeners = () => getEventListeners(signal, 'abort').length
    const on = await start((call, nth) => {
      if (nth === 0) {
        call.emit('error', statusOf(status.OUT_OF_RANGE, 'past the end', [errorInfo('POSITION_OUT_OF_RANGE')]))
        return
      }
      writeHeader(call, 4)
      if (nth === 2) {
        setImmediate(() => call.emit('error', drain))
        return
      }
      writeChunk(call, 0, 4)
      if (nth === 3) call.end()
    })

    await expect(openPlan(on, request, 60_000, signal)).rejects.toBeInstanceOf(OutOfRangeError)
    expect(listeners()).toBe(0)

    const left = await openPlan(on, request, 60_000, signal)
    expect(listeners()).toBe(1)
    for await (const _ of readPlan(on, request, left, signal)) break
    expect(listeners()).toBe(0)

    const broken = await openPlan(on, request, 60_000, signal)
    const read: number[] = []
    for await (const piece of readPlan(on, request, broken, signal)) read.push(...unpackU32(piece.sampleIndices))
    expect(read).toEqual(tens(4))
    expect(listeners()).toBe(0)
  })

  it('throws what the sampler refuses', async () => {
    const on = await start((call) =>
      call.emit('error', statusOf(status.OUT_OF_RANGE, 'past the end', [errorInfo('POSITION_OUT_OF_RANGE')])),
    )
    await expect(read(on)).rejects.toBeInstanceOf(OutOfRangeError)
  })

  it('gives up when the sampler stays away for as long as the plan may take', async () => {
    const on = await start((call) => call.emit('error', drain))
    await expect(openPlan(on, request, 61_000, life)).rejects.toBeInstanceOf(UnavailableError)
  })

  it('cancels its call when the header is late', async () => {
    const cancelled = deferred()
    const on = await start((call) => call.on('cancelled', cancelled.resolve))
    await expect(openPlan(on, request, 20, life)).rejects.toBeInstanceOf(DeadlineError)
    await cancelled.promise
  })

  it('ends with its signal', async () => {
    const asked = deferred()
    const on = await start(() => asked.resolve())
    const stop = new AbortController()
    const opening = openPlan(on, request, 60_000, stop.signal)
    await asked.promise
    await turn()
    const reason = new Error('stop')
    stop.abort(reason)
    await expect(opening).rejects.toBe(reason)
  })
})

import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { type ServerWritableStream, status } from '@grpc/grpc-js'
import type { ExportRunRequest, ExportRunResponse } from '@keepset/proto'
import { afterEach, expect, it } from 'vitest'
import type { Connection } from './connection.js'
import { DataLossError, DeadlineError, RunNotFoundError, UnavailableError } from './errors.js'
import { readExport } from './read-export.js'
import { fastTiming, testConnection } from './testing/connection.js'
import { deferred } from './testing/deferred.js'
import { drain, errorInfo, type ScriptedSampler, startScriptedSampler, statusOf } from './testing/scripted-sampler.js'

type Call = ServerWritableStream<ExportRunRequest, ExportRunResponse>

let sampler: ScriptedSampler | undefined
let connection: Connection | undefined

afterEach(() => {
  connection?.close()
  sampler?.stop()
})

/** A connection to a server whose n-th export does what `answer` says. */
async function start(answer: (call: Call, nth: number) => void, settings = {}): Promise<Connection> {
  let streams = 0
  sampler = await startScriptedSampler({ exportRun: (call: Call) => answer(call, streams++) })
  connection = testConnection(sampler.address, settings, fastTiming())
  return connection
}

const writeChunk = (call: Call, ...bytes: number[]) => call.write({ chunk: Buffer.from(bytes) })

async function read(on: Connection): Promise<number[]> {
  const bytes: number[] = []
  for await (const chunk of readExport(on, 'r')) bytes.push(...chunk)
  return bytes
}

const listeners = (on: Connection) => getEventListeners(on.signal, 'abort').length

it('hands out what comes, in order', async () => {
  const on = await start((call) => {
    expect(call.request.runId).toBe('r')
    writeChunk(call, 1, 2)
    writeChunk(call, 3)
    call.end()
  })
  expect(await read(on)).toEqual([1, 2, 3])
  expect(listeners(on)).toBe(0)
})

it('begins again while the sampler is away, up to the first message', async () => {
  const on = await start((call, nth) => {
    if (nth < 3) {
      call.emit('error', drain)
      return
    }
    writeChunk(call, 7)
    call.end()
  })
  expect(await read(on)).toEqual([7])
})

it('throws when it breaks after that, and says that what came is a part', async () => {
  let streams = 0
  const on = await start((call) => {
    streams++
    writeChunk(call, 1)
    setImmediate(() => call.emit('error', drain))
  })
  const error = await read(on).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(UnavailableError)
  expect(error).toMatchObject({
    message: expect.stringMatching(/^draining\. The export of run 'r' broke off .*client\.exportRun\(\) again/),
  })
  expect(streams).toBe(1)
  expect(listeners(on)).toBe(0)
})

it.each([0, 1])('throws what the sampler answers, after %i messages, as it is', async (messages) => {
  const damaged = statusOf(status.DATA_LOSS, 'the record is damaged', [errorInfo('RUN_DAMAGED')])
  const on = await start((call) => {
    for (let i = 0; i < messages; i++) writeChunk(call, 1)
    setImmediate(() => call.emit('error', damaged))
  })
  const error = await read(on).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(DataLossError)
  expect((error as Error).message).not.toContain('broke off')
})

it('throws at the first step what the sampler refuses', async () => {
  const on = await start((call) =>
    call.emit('error', statusOf(status.NOT_FOUND, 'no run', [errorInfo('RUN_NOT_FOUND')])),
  )
  await expect(readExport(on, 'r').next()).rejects.toBeInstanceOf(RunNotFoundError)
})

it('gives up when the sampler stays away for the time of a call', async () => {
  const on = await start((call) => call.emit('error', drain), { callTimeoutMs: 1_000 })
  await expect(read(on)).rejects.toBeInstanceOf(UnavailableError)
})

it('does not wait for the first message for ever, and cancels the call', async () => {
  const cancelled = deferred()
  const on = await start((call) => call.on('cancelled', cancelled.resolve), { callTimeoutMs: 30 })
  const error = await read(on).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(DeadlineError)
  expect((error as Error).message).toMatch(/export of run 'r' did not begin within 30 ms/)
  await cancelled.promise
})

it('tells the sampler when the reader leaves early', async () => {
  const left = deferred()
  const on = await start((call) => {
    call.on('cancelled', left.resolve)
    writeChunk(call, 1)
  })
  for await (const _ of readExport(on, 'r')) break
  await left.promise
  expect(listeners(on)).toBe(0)
})

it('ends when the client closes', async () => {
  const on = await start((call) => writeChunk(call, 1))
  const chunks = readExport(on, 'r')
  await chunks.next()
  const next = chunks.next()
  on.close()
  await expect(next).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' })
  await expect(readExport(on, 'r').next()).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' })
})

it('takes no more than it is asked for', async () => {
  const megabyte = Buffer.alloc(1_000_000)
  let written = 0
  const on = await start(async (call) => {
    call.on('cancelled', () => {
      written = Number.POSITIVE_INFINITY
    })
    while (written < 200) {
      await new Promise((resolve) => call.write({ chunk: megabyte }, resolve))
      written++
    }
  })
  const chunks = readExport(on, 'r')
  await chunks.next()
  let before = -1
  while (written !== before) {
    before = written
    for (let i = 0; i < 200; i++) await turn()
  }
  expect(written).toBeLessThan(100)
  await chunks.return()
})

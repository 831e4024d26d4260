import { getEventListeners } from 'node:events'
import { type ServerReadableStream, type sendUnaryData, status } from '@grpc/grpc-js'
import type { ImportRunRequest, ImportRunResponse } from '@keepset/proto'
import { afterEach, expect, it } from 'vitest'
import { Client } from './client.js'
import type { Connection, ConnectionSettings } from './connection.js'
import { InvalidArgumentError, RunExistsError, UnavailableError } from './errors.js'
import { testConnection } from './testing/connection.js'
import { deferred } from './testing/deferred.js'
import { drain, errorInfo, type ScriptedSampler, startScriptedSampler, statusOf } from './testing/scripted-sampler.js'
import { wireRun } from './testing/wire-run.js'

type Call = ServerReadableStream<ImportRunRequest, ImportRunResponse>
type Answer = sendUnaryData<ImportRunResponse>

let sampler: ScriptedSampler | undefined
let connection: Connection | undefined

afterEach(() => {
  connection?.close()
  sampler?.stop()
})

async function start(importRun: (call: Call, answer: Answer) => void, settings: Partial<ConnectionSettings> = {}) {
  sampler = await startScriptedSampler({ importRun })
  connection = testConnection(sampler.address, settings)
  return new Client(connection)
}

/** Reads all, then answers. */
function takeAll(messages: ImportRunRequest[]) {
  return (call: Call, answer: Answer) => {
    call.on('data', (message: ImportRunRequest) => messages.push(message))
    call.on('end', () => answer(null, { run: wireRun('imported', { generation: 4 }) }))
  }
}

const refusal = statusOf(status.ALREADY_EXISTS, 'run "r" exists', [errorInfo('RUN_EXISTS')])

/** A source that tells whether it is open. */
function source(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  const state = { taken: 0, isOpen: false }
  async function* generate() {
    state.isOpen = true
    try {
      for await (const chunk of chunks) {
        state.taken++
        yield chunk
      }
    } finally {
      state.isOpen = false
    }
  }
  return { state, bytes: generate() }
}

it('sends the name once and the bytes in order, in messages of bounded size', async () => {
  const messages: ImportRunRequest[] = []
  const client = await start(takeAll(messages))
  const chunks = [Uint8Array.of(1, 2), Uint8Array.of(), new Uint8Array(1_000_000).fill(3), Uint8Array.of(4)]
  const run = await client.importRun(source(chunks).bytes, { runId: 'mine' })
  expect([run.runId, run.generation]).toEqual(['imported', 4])
  expect(messages.map(({ runId }) => runId)).toEqual(['mine', ...messages.slice(1).map(() => '')])
  expect(Buffer.concat(messages.map(({ chunk }) => chunk)).equals(Buffer.concat(chunks))).toBe(true)
  for (const { chunk } of messages) expect(chunk.length).toBeLessThanOrEqual(256 * 1024)
})

it('tells the sampler of a source that is empty', async () => {
  const messages: ImportRunRequest[] = []
  const client = await start(takeAll(messages))
  await client.importRun(source([]).bytes)
  expect(messages).toEqual([{ runId: '', chunk: Buffer.alloc(0) }])
})

it('sends what a chunk held when it was handed over', async () => {
  const messages: ImportRunRequest[] = []
  const client = await start(takeAll(messages))
  async function* reused() {
    const buffer = new Uint8Array(1)
    for (let value = 0; value < 100; value++) {
      buffer[0] = value
      yield buffer
    }
  }
  await client.importRun(reused())
  expect([...Buffer.concat(messages.map(({ chunk }) => chunk))]).toEqual(Array.from({ length: 100 }, (_, i) => i))
})

it('takes no more of the source than the sampler takes of it', async () => {
  const mayRead = deferred()
  const client = await start(async (call, answer) => {
    await mayRead.promise
    takeAll([])(call, answer)
  })
  const { bytes, state } = source(Array.from({ length: 400 }, () => new Uint8Array(256 * 1024)))
  const importing = client.importRun(bytes)
  let before = -1
  while (state.taken !== before || state.taken === 0) {
    before = state.taken
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(state.taken).toBeLessThan(200)
  mayRead.resolve()
  await importing
  expect(state.taken).toBe(400)
})

it('throws a refusal at once, and lets go of the source, however far it was read', async () => {
  const client = await start((_, answer) => answer(refusal))
  async function* endless() {
    for (;;) {
      yield new Uint8Array(1000)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const { bytes, state } = source(endless())
  await expect(client.importRun(bytes)).rejects.toBeInstanceOf(RunExistsError)
  await expect.poll(() => state.isOpen).toBe(false)
})

it('does not wait for a source that is stuck when the sampler has answered', async () => {
  const client = await start((_, answer) => answer(refusal))
  async function* stuck() {
    await new Promise(() => {})
    yield new Uint8Array(1)
  }
  await expect(client.importRun(stuck())).rejects.toBeInstanceOf(RunExistsError)
})

it('throws what is wrong with the bytes, field by field', async () => {
  const client = await start((_, answer) =>
    answer(statusOf(status.INVALID_ARGUMENT, 'the export is cut off', [errorInfo('INVALID_FIELD')])),
  )
  await expect(client.importRun(source([]).bytes)).rejects.toBeInstanceOf(InvalidArgumentError)
})

it('throws an error of the source as it is, and takes the import back', async () => {
  const cancelled = deferred()
  const client = await start((call) => {
    call.resume()
    call.on('cancelled', cancelled.resolve)
  })
  const broken = new Error('the disk is gone')
  async function* failing() {
    yield new Uint8Array(10)
    throw broken
  }
  await expect(client.importRun(failing())).rejects.toBe(broken)
  await cancelled.promise
})

it('is not sent again when the connection breaks, and says what to do', async () => {
  let calls = 0
  const client = await start((call, answer) => {
    calls++
    call.once('data', () => answer(drain))
  })
  const error = await client.importRun(source([new Uint8Array(10)]).bytes).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(UnavailableError)
  expect(error).toMatchObject({ message: expect.stringMatching(/^draining\. .*client\.getRun\(\).*opened anew/) })
  expect(calls).toBe(1)
})

it('reads nothing of the source before the sampler is reached', async () => {
  connection = testConnection('127.0.0.1:1', { callTimeoutMs: 200 })
  const { bytes, state } = source([new Uint8Array(10)])
  const error = await new Client(connection).importRun(bytes).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(UnavailableError)
  expect(error).toMatchObject({ message: expect.stringMatching(/not reached within 200 ms\. .*keepset serve/) })
  expect(state.taken).toBe(0)
})

it('ends when the client closes, before and while it sends', async () => {
  const begun = deferred()
  const client = await start((call) => call.once('data', () => begun.resolve()))
  const importing = client.importRun(
    (async function* () {
      await begun.promise
      yield new Uint8Array(1)
      await new Promise(() => {})
    })(),
  )
  await begun.promise
  client.close()
  await expect(importing).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' })
  await expect(client.importRun(source([]).bytes)).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' })
})

it('leaves no listener behind', async () => {
  const client = await start(takeAll([]))
  await client.importRun(source([new Uint8Array(10)]).bytes)
  expect(connection && getEventListeners(connection.signal, 'abort').length).toBe(1) // The run's own.
})

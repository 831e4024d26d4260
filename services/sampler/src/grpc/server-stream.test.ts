import { once } from 'node:events'
import { ExportRunRequest, ExportRunResponse } from '@keepset/proto'
import { afterEach, expect, test, vi } from 'vitest'
import { collect } from '../../../../test/support/calls.js'
import { FrameReader, RawCall } from '../../../../test/support/raw-call.js'
import { refused } from '../../../../test/support/refusal.js'
import { SamplerStubs } from '../../../../test/support/test-sampler.js'
import { runNotFound } from '../runs/run-error.js'
import { serveRegistry, stopServers } from './testing/served-registry.js'

afterEach(stopServers)

const PIECE = new Uint8Array(100_000).fill(7)
const PIECES = 20

/** A server whose export has 20 pieces, then what `end` does, and what became of it. */
async function serveExport(end: () => void = () => {}) {
  const source = { taken: 0, state: 'not begun' as 'not begun' | 'open' | 'released' }
  async function* pieces() {
    source.state = 'open'
    try {
      for (; source.taken < PIECES; source.taken++) yield PIECE
      end()
    } finally {
      source.state = 'released'
    }
  }
  return { source, ...(await serveRegistry(SamplerStubs, { export: async () => pieces() })) }
}

/** An export whose reader takes nothing. */
async function openStuck(address: string): Promise<RawCall> {
  const call = await RawCall.open(address, '/keepset.v1.RunService/ExportRun', { initialWindowSize: 0 })
  call.send(ExportRunRequest.encode({ runId: 'run' }).finish())
  call.stream.end()
  await once(call.stream, 'response')
  for (let turn = 0; turn < 20; turn++) await call.ping()
  return call
}

test('sends every piece in order', async () => {
  const { stubs, source } = await serveExport()
  const messages = await collect(stubs.runs.exportRun({ runId: 'run' }))
  expect(messages).toHaveLength(PIECES)
  expect(messages.every(({ chunk }) => chunk.equals(PIECE))).toBe(true)
  expect(source.state).toBe('released')
})

test('takes a piece only when the one before it is on its way: a reader that takes nothing holds one', async () => {
  const { address, source } = await serveExport()
  const call = await openStuck(address)
  expect(source).toEqual({ taken: 0, state: 'open' })
  await call.setWindow(150_000)
  await vi.waitFor(() => expect(source.taken).toBe(1))
  for (let turn = 0; turn < 20; turn++) await call.ping()
  expect(source.taken).toBe(1)

  const reader = new FrameReader()
  const messages: Buffer[] = []
  call.stream.on('data', (bytes: Buffer) => messages.push(...reader.push(bytes)))
  await once(call.stream, 'end')
  expect(messages.map((message) => ExportRunResponse.decode(message).chunk.length)).toEqual(
    Array.from({ length: PIECES }, () => PIECE.length),
  )
  expect(source).toEqual({ taken: PIECES, state: 'released' })
  call.destroy()
})

test('lets go of what it reads from when the reader is gone, and logs nothing', async () => {
  const { address, source, errors, signal } = await serveExport()
  const call = await openStuck(address)
  call.destroy()
  await vi.waitFor(() => expect(source.state).toBe('released'))
  expect(source.taken).toBe(0)
  expect(errors).toEqual([])
  expect(signal.aborted).toBe(false)
})

test('ends with UNAVAILABLE when the sampler drains, and lets go of what it reads from', async () => {
  let piece = () => {}
  let state = 'open'
  const { stubs, drain } = await serveRegistry(SamplerStubs, {
    export: async () =>
      (async function* () {
        try {
          yield PIECE
          await new Promise<void>((resolve) => {
            piece = resolve
          })
          yield PIECE
        } finally {
          state = 'released'
        }
      })(),
  })
  const stream = stubs.runs.exportRun({ runId: 'run' })
  const ended = refused(collect(stream))
  await once(stream, 'data')
  drain()
  piece()
  expect(await ended).toMatchObject({ code: 'UNAVAILABLE', reason: 'DRAINING' })
  expect(state).toBe('released')
  expect(await refused(collect(stubs.runs.exportRun({ runId: 'run' })))).toMatchObject({ reason: 'DRAINING' })
})

test('lets go of a stuck reader too when the sampler drains', async () => {
  const { address, source, drain } = await serveExport()
  const call = await openStuck(address)
  drain()
  await vi.waitFor(() => expect(source.state).toBe('released'))
  call.destroy()
})

test('ends with what the source throws, after the pieces before it; a fault of ours is logged', async () => {
  const { stubs, errors } = await serveExport(() => {
    throw new Error('the disk is gone')
  })
  const stream = stubs.runs.exportRun({ runId: 'run' })
  let messages = 0
  stream.on('data', () => messages++)
  const refusal = await refused(collect(stream))
  expect(refusal).toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL' })
  expect(refusal.text).not.toContain('disk')
  expect(messages).toBe(PIECES)
  expect(errors).toHaveLength(1)
})

test('ends with a refusal before the first piece', async () => {
  const { stubs } = await serveRegistry(SamplerStubs, {
    export: async (runId) => {
      throw runNotFound(runId)
    },
  })
  const refusal = await refused(collect(stubs.runs.exportRun({ runId: 'nobody' })))
  expect(refusal).toMatchObject({ code: 'NOT_FOUND', reason: 'RUN_NOT_FOUND' })
})

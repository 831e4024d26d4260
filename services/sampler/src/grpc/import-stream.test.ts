import { ImportRunRequest } from '@keepset/proto'
import { afterEach, expect, test, vi } from 'vitest'
import { frame, RawCall } from '../../../../test/support/raw-call.js'
import { refused } from '../../../../test/support/refusal.js'
import { SamplerStubs } from '../../../../test/support/test-sampler.js'
import { invalidField } from '../runs/run-error.js'
import type { RunRegistry } from '../runs/run-registry.js'
import { runFacts } from './testing/run-facts.js'
import { serveRegistry, stopServers } from './testing/served-registry.js'

afterEach(stopServers)

const IMPORT_RUN = '/keepset.v1.RunService/ImportRun'

/** Reads every byte, then answers the run. */
function readAll() {
  const imports: { runId: string; bytes: number[]; end: unknown }[] = []
  const registry: Partial<RunRegistry> = {
    import: async (runId, bytes) => {
      const one = { runId, bytes: [] as number[], end: 'open' as unknown }
      imports.push(one)
      try {
        for await (const chunk of bytes) one.bytes.push(...chunk)
        one.end = 'whole'
      } catch (error) {
        one.end = error
        throw error
      }
      return runFacts(runId || 'named inside')
    },
  }
  return { imports, registry }
}

type Message = Partial<ImportRunRequest>

/** Sends messages and says that these are all. */
function importRun(stubs: SamplerStubs, messages: readonly Message[]): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const call = stubs.runs.importRun((error, response) => (error ? reject(error) : resolve(response.run?.runId)))
    for (const message of messages) call.write(ImportRunRequest.fromPartial(message))
    call.end()
  })
}

const bytes = (...values: number[]) => Buffer.from(values)

test('hands over the name of the first message and the bytes of all, in order', async () => {
  const { imports, registry } = readAll()
  const { stubs } = await serveRegistry(SamplerStubs, registry)
  const name = await importRun(stubs, [
    { runId: 'new', chunk: bytes(1, 2) },
    { chunk: bytes() },
    { runId: 'new', chunk: bytes(3) },
    { chunk: bytes(4, 5) },
  ])
  expect(name).toBe('new')
  expect(imports).toEqual([{ runId: 'new', bytes: [1, 2, 3, 4, 5], end: 'whole' }])
})

test('a name that is not given is left to the export; so is a call without a message', async () => {
  const { imports, registry } = readAll()
  const { stubs } = await serveRegistry(SamplerStubs, registry)
  expect(await importRun(stubs, [{ chunk: bytes(1) }])).toBe('named inside')
  expect(await importRun(stubs, [])).toBe('named inside')
  expect(imports.map((one) => one.bytes)).toEqual([[1], []])
})

test('refuses a message that gives another name', async () => {
  const { imports, registry } = readAll()
  const { stubs } = await serveRegistry(SamplerStubs, registry)
  for (const first of ['new', '']) {
    const refusal = await refused(importRun(stubs, [{ runId: first, chunk: bytes(1) }, { runId: 'other' }]))
    expect(refusal).toMatchObject({ code: 'INVALID_ARGUMENT', fields: ['run_id'] })
    expect(refusal.text).toContain('"other"')
    expect(refusal.text).toContain('first')
  }
  expect(imports.map(({ end }) => (end as Error).name)).toEqual(['RunError', 'RunError'])
})

test('refuses at once, and takes no more of what a client goes on sending', async () => {
  let taken = 0
  const { address, errors, stubs } = await serveRegistry(SamplerStubs, {
    import: async (_, chunks) => {
      for await (const chunk of chunks) {
        taken += chunk.length
        throw invalidField('chunk', 'it is no export')
      }
      return runFacts('run')
    },
  })
  const message = frame(ImportRunRequest.encode({ runId: '', chunk: Buffer.alloc(500_000) }).finish())
  const call = await RawCall.open(address, IMPORT_RUN)
  let isRefused = false
  let isOver = false
  call.stream.on('response', (headers) => {
    isRefused = headers['grpc-status'] === '3'
  })
  call.stream.on('close', () => {
    isOver = true
  })
  call.stream.resume()
  // Never ends of itself.
  const send = () => {
    if (!isOver) call.stream.write(message, () => setImmediate(send))
  }
  send()
  await vi.waitFor(() => expect(isRefused).toBe(true))
  expect(taken).toBe(500_000)
  call.destroy()
  expect(errors).toEqual([])
  expect((await refused(importRun(stubs, [{ chunk: bytes(1) }]))).fields).toEqual(['chunk'])
})

test('reads no more than is taken', async () => {
  let take = () => {}
  const mayTake = new Promise<void>((resolve) => {
    take = resolve
  })
  const total = { taken: 0 }
  const { address } = await serveRegistry(SamplerStubs, {
    import: async (_, chunks) => {
      await mayTake
      for await (const chunk of chunks) total.taken += chunk.length
      return runFacts('run')
    },
  })
  const message = frame(ImportRunRequest.encode({ runId: '', chunk: Buffer.alloc(500_000) }).finish())
  const call = await RawCall.open(address, IMPORT_RUN)
  let sent = 0
  const send = () => {
    if (sent === 200) call.stream.end()
    else
      call.stream.write(message, () => {
        sent++
        send()
      })
  }
  send()
  let before = -1
  while (sent !== before) {
    before = sent
    for (let turn = 0; turn < 50; turn++) await call.ping()
  }
  // 16 messages that a stream of Node holds, and what lies in windows and sockets.
  expect(sent).toBeLessThan(100)
  take()
  call.stream.resume()
  await vi.waitFor(() => expect(total.taken).toBe(200 * 500_000), { timeout: 10_000 })
  call.destroy()
})

test('a client that vanishes ends the import, and is no error of ours', async () => {
  const { imports, registry } = readAll()
  const { address, errors } = await serveRegistry(SamplerStubs, registry)
  const call = await RawCall.open(address, IMPORT_RUN)
  call.send(ImportRunRequest.encode({ runId: 'half', chunk: bytes(1) }).finish())
  await vi.waitFor(() => expect(imports[0]?.bytes).toEqual([1]))
  call.destroy()
  await vi.waitFor(() => expect(imports[0]?.end).not.toBe('open'))
  expect(errors).toEqual([])
})

test('ends with UNAVAILABLE when the sampler drains, while it waits for bytes', async () => {
  const { imports, registry } = readAll()
  const { stubs, drain } = await serveRegistry(SamplerStubs, registry)
  const ended = refused(
    new Promise((resolve, reject) => {
      const call = stubs.runs.importRun((error, response) => (error ? reject(error) : resolve(response)))
      call.write({ runId: 'half', chunk: bytes(1) })
    }),
  )
  await vi.waitFor(() => expect(imports[0]?.bytes).toEqual([1]))
  drain()
  expect(await ended).toMatchObject({ code: 'UNAVAILABLE', reason: 'DRAINING' })
  expect(imports[0]?.end).toMatchObject({ reason: 'DRAINING' })
  expect(await refused(importRun(stubs, [{ chunk: bytes(1) }]))).toMatchObject({ reason: 'DRAINING' })
})

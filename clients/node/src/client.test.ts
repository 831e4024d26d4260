import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type {
  CreateRunResponse,
  DeleteRunRequest,
  DeleteRunResponse,
  GetRunResponse,
  ListRunsRequest,
  ListRunsResponse,
  RewindRunRequest,
  RewindRunResponse,
} from '@keepset/proto'
import { afterEach, expect, it } from 'vitest'
import { Client } from './client.js'
import { connect, DeadlineError, InvalidArgumentError, RunNotFoundError, UnavailableError } from './index.js'
import { full } from './policies.js'
import { fastTiming, testConnection } from './testing/connection.js'
import {
  drain,
  errorInfo,
  retryInfo,
  type Script,
  type ScriptedSampler,
  startScriptedSampler,
  statusOf,
} from './testing/scripted-sampler.js'
import { wireRun } from './testing/wire-run.js'

let sampler: ScriptedSampler | undefined
let client: Client | undefined

afterEach(() => {
  client?.close()
  sampler?.stop()
})

async function start(script: Script, callTimeoutMs = 10_000): Promise<Client> {
  sampler = await startScriptedSampler(script)
  client = new Client(testConnection(sampler.address, { callTimeoutMs }))
  return client
}

const notFound = statusOf(status.NOT_FOUND, 'no run', [errorInfo('RUN_NOT_FOUND')])

it('makes a call again while the sampler is away', async () => {
  let calls = 0
  const opened = await start({
    getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) => {
      calls++
      if (calls < 4) answer(drain)
      else answer(null, { run: wireRun('r') })
    },
  })
  expect((await opened.getRun('r')).runId).toBe('r')
  expect(calls).toBe(4)
})

it('gives up when the sampler stays away for the time of a call', async () => {
  const opened = await start({ getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) => answer(drain) })
  await expect(opened.getRun('r')).rejects.toBeInstanceOf(UnavailableError)
})

it('does not wait for an answer for ever', async () => {
  const opened = await start({ getRun: () => {} }, 50)
  await expect(opened.getRun('r')).rejects.toBeInstanceOf(DeadlineError)
})

it('takes a deletion for done when only its repetition finds nothing', async () => {
  let calls = 0
  const opened = await start({
    deleteRun: (_: ServerUnaryCall<DeleteRunRequest, DeleteRunResponse>, answer: sendUnaryData<DeleteRunResponse>) =>
      answer(calls++ === 0 ? drain : notFound),
  })
  await opened.deleteRun('r')
  await expect(opened.deleteRun('r')).rejects.toBeInstanceOf(RunNotFoundError)
})

it('follows page tokens, no further than it is read', async () => {
  const tokens: string[] = []
  const opened = await start({
    listRuns: (call: ServerUnaryCall<ListRunsRequest, ListRunsResponse>, answer: sendUnaryData<ListRunsResponse>) => {
      const { pageToken } = call.request
      tokens.push(pageToken)
      const page = Number(pageToken || 0)
      const nextPageToken = page < 2 ? `${page + 1}` : ''
      answer(null, { runs: [wireRun(`${page}a`), wireRun(`${page}b`)], damagedRunIds: [`${page}c`], nextPageToken })
    },
  })
  const listed: string[] = []
  for await (const { runId } of opened.listRuns()) listed.push(runId)
  expect(listed).toEqual(['0a', '0b', '1a', '1b', '2a', '2b'])
  expect(tokens).toEqual(['', '1', '2'])
  for await (const _ of opened.listRuns()) break
  expect(tokens).toHaveLength(4)
  const damaged: string[] = []
  for await (const runId of opened.listDamagedRuns()) damaged.push(runId)
  expect(damaged).toEqual(['0c', '1c', '2c'])
})

it('learns the generation of a run where it attaches to it', async () => {
  const opened = await start({
    createRun: (_: unknown, answer: sendUnaryData<CreateRunResponse>) =>
      answer(null, { run: wireRun('r', { generation: 3 }) }),
    getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) =>
      answer(null, { run: wireRun('r', { generation: 5 }) }),
  })
  expect((await opened.createRun({ runId: 'r', sampleCount: 1, policy: full() })).generation).toBe(3)
  expect((await opened.openRun('r')).generation).toBe(5)
})

it('rewinds a run whatever its generation is, unless it is told one', async () => {
  const asked: RewindRunRequest[] = []
  const opened = await start({
    rewindRun: (
      call: ServerUnaryCall<RewindRunRequest, RewindRunResponse>,
      answer: sendUnaryData<RewindRunResponse>,
    ) => {
      asked.push(call.request)
      answer(null, { run: wireRun('r', { generation: 8, epochStarts: [1, 2] }) })
    },
  })
  expect(await opened.rewindRun('r', 2)).toMatchObject({ generation: 8, epochStarts: [1, 2] })
  await opened.rewindRun('r', 2, 7)
  expect(asked).toMatchObject([
    { runId: 'r', epoch: 2, generation: 0 },
    { runId: 'r', epoch: 2, generation: 7 },
  ])
})

it('waits before a try as long as the sampler asks for', async () => {
  const timing = fastTiming()
  const busy = statusOf(status.UNAVAILABLE, 'draining', [errorInfo('DRAINING'), retryInfo(1_600)])
  let calls = 0
  sampler = await startScriptedSampler({
    getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) => {
      if (calls++ === 0) answer(busy)
      else answer(null, { run: wireRun('r') })
    },
  })
  client = new Client(testConnection(sampler.address, {}, timing))
  await client.getRun('r')
  expect(timing.waits).toEqual([1_600])
})

it.each([30 * 24 * 3_600_000, 1e300, Number.POSITIVE_INFINITY])('takes %d ms for the time of a call', async (time) => {
  const opened = await start(
    { getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) => answer(null, { run: wireRun('r') }) },
    time,
  )
  expect((await opened.getRun('r')).runId).toBe('r')
})

it.each(['callTimeoutMs', 'giveUpAfterMs'])('refuses a %s that is no time', (option) => {
  for (const wrong of [Number.NaN, 0, -1, Number.NEGATIVE_INFINITY, '5' as unknown as number]) {
    const opening = () => connect('127.0.0.1:1', { [option]: wrong })
    expect(opening).toThrow(InvalidArgumentError)
    expect(opening).toThrow(`${option}: must be a positive number of milliseconds`)
    expect(opening).toThrow(`got ${wrong}`)
  }
})

it('refuses a queue without room', () => {
  expect(() => connect('127.0.0.1:1', { reportQueueLimit: 0 })).toThrow(InvalidArgumentError)
})

it('does not send calls to this machine through a proxy', async () => {
  const before = process.env.grpc_proxy
  process.env.grpc_proxy = 'http://127.0.0.1:9' // Nobody answers there.
  try {
    const opened = await start({
      getRun: (_: unknown, callback: sendUnaryData<GetRunResponse>) => callback(notFound),
    })
    await expect(opened.getRun('r')).rejects.toBeInstanceOf(RunNotFoundError)
  } finally {
    if (before === undefined) delete process.env.grpc_proxy
    else process.env.grpc_proxy = before
  }
})

import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type {
  DeleteRunRequest,
  DeleteRunResponse,
  GetRunResponse,
  ListRunsRequest,
  ListRunsResponse,
} from '@keepset/proto'
import { Run, RunState } from '@keepset/proto'
import { afterEach, expect, it } from 'vitest'
import { Client } from './client.js'
import { connect, DeadlineError, InvalidArgumentError, RunNotFoundError, UnavailableError } from './index.js'
import { specToWire } from './mapping.js'
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

function runOf(runId: string): Run {
  const time = { seconds: 0n, nanos: 0 }
  const defaults = { selectionPeriod: 10, warmupEpochs: 1, positionMultiple: 1 }
  const spec = specToWire({ sampleCount: 1, policy: full(), ...defaults })
  return Run.fromPartial({
    runId,
    spec,
    state: RunState.RUN_STATE_ACTIVE,
    progress: {},
    createTime: time,
    updateTime: time,
  })
}

it('makes a call again while the sampler is away', async () => {
  let calls = 0
  const opened = await start({
    getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) => {
      calls++
      if (calls < 4) answer(drain)
      else answer(null, { run: runOf('r') })
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
      answer(null, { runs: [runOf(`${page}a`), runOf(`${page}b`)], nextPageToken: page < 2 ? `${page + 1}` : '' })
    },
  })
  const listed: string[] = []
  for await (const { runId } of opened.listRuns()) listed.push(runId)
  expect(listed).toEqual(['0a', '0b', '1a', '1b', '2a', '2b'])
  expect(tokens).toEqual(['', '1', '2'])
  for await (const _ of opened.listRuns()) break
  expect(tokens).toHaveLength(4)
})

it('waits before a try as long as the sampler asks for', async () => {
  const timing = fastTiming()
  const busy = statusOf(status.UNAVAILABLE, 'draining', [errorInfo('DRAINING'), retryInfo(1_600)])
  let calls = 0
  sampler = await startScriptedSampler({
    getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) => {
      if (calls++ === 0) answer(busy)
      else answer(null, { run: runOf('r') })
    },
  })
  client = new Client(testConnection(sampler.address, {}, timing))
  await client.getRun('r')
  expect(timing.waits).toEqual([1_600])
})

it.each([30 * 24 * 3_600_000, 1e300, Number.POSITIVE_INFINITY])('takes %d ms for the time of a call', async (time) => {
  const opened = await start(
    { getRun: (_: unknown, answer: sendUnaryData<GetRunResponse>) => answer(null, { run: runOf('r') }) },
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

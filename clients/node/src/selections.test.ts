import { type ServerWritableStream, status } from '@grpc/grpc-js'
import type { StreamSelectionsRequest, StreamSelectionsResponse, Selection as WireSelection } from '@keepset/proto'
import { afterEach, expect, it } from 'vitest'
import { Client } from './client.js'
import { InternalError, RunNotFoundError, UnavailableError } from './errors.js'
import { Run } from './run.js'
import type { Selection } from './selections.js'
import { testConnection } from './testing/connection.js'
import { drain, errorInfo, type ScriptedSampler, startScriptedSampler, statusOf } from './testing/scripted-sampler.js'

type Call = ServerWritableStream<StreamSelectionsRequest, StreamSelectionsResponse>

const first: WireSelection = {
  epoch: 1,
  keptCount: 2,
  alwaysCount: 2,
  sometimesCount: 0,
  neverCount: 3,
  timesKept: [3, 2],
  binWidth: 1,
}
const second: WireSelection = { ...first, epoch: 3, sometimesCount: 1, overlap: 0, timesKept: [2, 2, 1], binWidth: 2 }

let sampler: ScriptedSampler | undefined
let client: Client | undefined

afterEach(() => {
  client?.close()
  sampler?.stop()
})

/** A connection to a server that answers so for run 'r'. */
async function start(answer: (call: Call) => void) {
  sampler = await startScriptedSampler({
    streamSelections: (call: Call) => {
      expect(call.request.runId).toBe('r')
      answer(call)
    },
  })
  const connection = testConnection(sampler.address)
  client = new Client(connection)
  return { client, run: new Run(connection, { runId: 'r', generation: 1, settings: { scoreSource: 'loss' } }) }
}

async function read(selections: AsyncIterable<Selection>): Promise<Selection[]> {
  const read: Selection[] = []
  for await (const selection of selections) read.push(selection)
  return read
}

it('reads what came of each selection, of a client and of a run', async () => {
  const { client, run } = await start((call) => {
    for (const selection of [first, second]) call.write({ selection })
    call.end()
  })
  for (const selections of [client.selections('r'), run.selections()]) {
    expect(await read(selections)).toStrictEqual([{ ...first, overlap: undefined }, second])
  }
})

it('reads nothing where nothing was selected', async () => {
  const { run } = await start((call) => call.end())
  expect(await read(run.selections())).toEqual([])
})

it('does not take a message without a selection', async () => {
  const { run } = await start((call) => {
    call.write({ selection: undefined })
    call.end()
  })
  const error = await read(run.selections()).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(InternalError)
  expect(error).toMatchObject({ reason: 'UNREADABLE_ANSWER' })
})

it('throws what the sampler refuses, and says that what came is a part when it breaks', async () => {
  let calls = 0
  const { client } = await start((call) => {
    if (calls++ === 0) call.emit('error', statusOf(status.NOT_FOUND, 'no run', [errorInfo('RUN_NOT_FOUND')]))
    else {
      call.write({ selection: first })
      setImmediate(() => call.emit('error', drain))
    }
  })
  await expect(read(client.selections('r'))).rejects.toBeInstanceOf(RunNotFoundError)
  const error = await read(client.selections('r')).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(UnavailableError)
  expect(error).toMatchObject({ message: expect.stringMatching(/selections of run 'r' broke off/) })
})

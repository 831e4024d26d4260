import type { ServerWritableStream } from '@grpc/grpc-js'
import type { StatisticsChunk, StreamStatisticsRequest, StreamStatisticsResponse } from '@keepset/proto'
import { afterEach, expect, it } from 'vitest'
import { Client } from './client.js'
import { InternalError } from './errors.js'
import { pack } from './packed.js'
import type { StatisticsPart } from './statistics.js'
import { testConnection } from './testing/connection.js'
import { type ScriptedSampler, startScriptedSampler } from './testing/scripted-sampler.js'
import { wireRun } from './testing/wire-run.js'

type Call = ServerWritableStream<StreamStatisticsRequest, StreamStatisticsResponse>
type Part = NonNullable<StreamStatisticsResponse['part']>

let sampler: ScriptedSampler | undefined
let client: Client | undefined

afterEach(() => {
  client?.close()
  sampler?.stop()
})

/** What a client makes of the statistics of a run of 5 samples that come as these parts. */
async function read(parts: readonly (Part | undefined)[]): Promise<StatisticsPart[]> {
  sampler = await startScriptedSampler({
    streamStatistics: (call: Call) => {
      for (const part of parts) call.write({ part })
      call.end()
    },
  })
  client = new Client(testConnection(sampler.address))
  const read: StatisticsPart[] = []
  for await (const part of client.streamStatistics('r')) read.push(part)
  return read
}

const run: Part = {
  $case: 'run',
  value: wireRun('r', { progress: { selections: 3 } }, { sampleCount: 5, metrics: ['correct'] }),
}
const summary: Part = { $case: 'summary', value: { alwaysCount: 1, sometimesCount: 2, neverCount: 2 } }

/** Sample i has mean i, variance 2 i, last loss 3 i, correct 4 i; was reported i times and kept 2 i times. */
function chunk(startIndex: number, count: number, wrong: Partial<StatisticsChunk> = {}): Part {
  const scaled = (factor: number) => Array.from({ length: count }, (_, i) => factor * (startIndex + i))
  const value = {
    startIndex,
    means: pack(Float32Array.from(scaled(1))),
    variances: pack(Float32Array.from(scaled(2))),
    lastLosses: pack(Float32Array.from(scaled(3))),
    timesReported: pack(Uint32Array.from(scaled(1))),
    timesKept: pack(Uint32Array.from(scaled(2))),
    metrics: [{ name: 'correct', values: pack(Float32Array.from(scaled(4))) }],
    ...wrong,
  }
  return { $case: 'chunk', value }
}

it('reads the run, its samples in chunks, and the summary', async () => {
  const parts = await read([run, chunk(0, 3), chunk(3, 2), summary])
  expect(parts).toMatchObject([
    { kind: 'run', run: { runId: 'r', progress: { selections: 3 } } },
    { kind: 'chunk', startIndex: 0 },
    {
      kind: 'chunk',
      startIndex: 3,
      means: Float32Array.of(3, 4),
      variances: Float32Array.of(6, 8),
      lastLosses: Float32Array.of(9, 12),
      timesReported: Uint32Array.of(3, 4),
      timesKept: Uint32Array.of(6, 8),
      metrics: { correct: Float32Array.of(12, 16) },
    },
    { kind: 'summary', always: 1, sometimes: 2, never: 2 },
  ])
})

it("reads the policy's own columns after the run's metrics", async () => {
  const values = pack(Float32Array.of(1, 2, 3, 4, 5))
  const metrics = ['correct', 'repb_above'].map((name) => ({ name, values }))
  const parts = await read([run, chunk(0, 5, { metrics }), summary])
  const column = Float32Array.of(1, 2, 3, 4, 5)
  expect(parts[1]).toMatchObject({ metrics: { correct: column, repb_above: column } })
})

it.each([
  ['nothing at all', []],
  ['no run first', [chunk(0, 5), summary]],
  ['a second run', [run, run, chunk(0, 5), summary]],
  ['a part that is not known', [run, undefined]],
  ['a chunk left out', [run, chunk(0, 2), chunk(3, 2), summary]],
  ['a chunk that comes twice', [run, chunk(0, 3), chunk(0, 3), summary]],
  ['more samples than the run has', [run, chunk(0, 6), summary]],
  ['fewer samples than the run has', [run, chunk(0, 4), summary]],
  ['no summary', [run, chunk(0, 5)]],
  ['arrays of different lengths', [run, chunk(0, 5, { timesKept: Buffer.alloc(16) }), summary]],
  [
    'a metric of another length',
    [run, chunk(0, 5, { metrics: [{ name: 'correct', values: Buffer.alloc(16) }] }), summary],
  ],
  ['a metric that is missing', [run, chunk(0, 5, { metrics: [] }), summary]],
  [
    'a metric that the run does not have',
    [run, chunk(0, 5, { metrics: [{ name: 'other', values: Buffer.alloc(20) }] }), summary],
  ],
  [
    'a column of the policy before the metrics',
    [run, chunk(0, 5, { metrics: ['own', 'correct'].map((name) => ({ name, values: Buffer.alloc(20) })) }), summary],
  ],
  [
    'a column of the policy of another length',
    [
      run,
      chunk(0, 5, {
        metrics: [
          { name: 'correct', values: Buffer.alloc(20) },
          { name: 'own', values: Buffer.alloc(16) },
        ],
      }),
      summary,
    ],
  ],
  ['bytes that are no whole elements', [run, chunk(0, 5, { means: Buffer.alloc(19) }), summary]],
])('does not take %s', async (_, parts) => {
  const error = await read(parts).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(InternalError)
  expect(error).toMatchObject({ reason: 'UNREADABLE_ANSWER' })
})

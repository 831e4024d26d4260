import { once } from 'node:events'
import { StreamStatisticsRequest } from '@keepset/proto'
import { afterEach, expect, test, vi } from 'vitest'
import { collect } from '../../../../test/support/calls.js'
import { RawCall } from '../../../../test/support/raw-call.js'
import { refused } from '../../../../test/support/refusal.js'
import { SamplerStubs } from '../../../../test/support/test-sampler.js'
import type { StatisticsReading } from '../runs/statistics-reading.js'
import { runFacts } from './testing/run-facts.js'
import { serveRegistry, stopServers } from './testing/served-registry.js'

afterEach(stopServers)

interface Made {
  readonly selections?: number
  readonly timesKept?: (index: number) => number
  readonly fail?: boolean
}

/** A server of the statistics of so many samples: sample i has mean i / 2, variance i / 4, last loss i / 8, and was reported i % 65536 times. */
async function serveStatistics(sampleCount: number, { selections = 3, timesKept = (i) => i % 4, fail }: Made = {}) {
  const reading = { released: 0, chunkSizes: new Set<number>() }
  const facts = runFacts('run', sampleCount)
  const statistics = async () =>
    ({
      facts: { ...facts, progress: { ...facts.progress, selections } },
      *chunks(size: number) {
        reading.chunkSizes.add(size)
        for (let startIndex = 0; startIndex < sampleCount; startIndex += size) {
          const length = Math.min(size, sampleCount - startIndex)
          const of = (value: (index: number) => number) => Array.from({ length }, (_, i) => value(startIndex + i))
          yield {
            startIndex,
            means: Float32Array.from(of((i) => i / 2)),
            variances: Float32Array.from(of((i) => i / 4)),
            lastLosses: Float32Array.from(of((i) => i / 8)),
            timesReported: Uint16Array.from(of((i) => i)),
            timesKept: Uint16Array.from(of(timesKept)),
            metrics: [],
          }
        }
        if (fail) throw new Error('the memory is gone')
      },
      release: () => {
        reading.released++
      },
    }) as unknown as StatisticsReading
  return { reading, ...(await serveRegistry(SamplerStubs, { statistics })) }
}

type Served = Awaited<ReturnType<typeof serveStatistics>>

async function read({ stubs }: Served) {
  const parts = (await collect(stubs.runs.streamStatistics({ runId: 'run' }))).map(({ part }) => part)
  const chunks = parts.flatMap((part) => (part?.$case === 'chunk' ? [part.value] : []))
  const [first, last] = [parts[0], parts.at(-1)]
  if (first?.$case !== 'run' || last?.$case !== 'summary') throw new Error('the run or the summary is missing')
  expect(chunks).toHaveLength(parts.length - 2)
  return { run: first.value, chunks, summary: last.value }
}

const numbers = (bytes: Buffer, View: typeof Float32Array | typeof Uint32Array) => [
  ...new View(new Uint8Array(bytes).buffer),
]

test('sends the run, its samples in order in chunks of 50,000, and the summary', async () => {
  const served = await serveStatistics(120_001)
  const { run, chunks, summary } = await read(served)
  expect(run).toMatchObject({ runId: 'run', generation: 2, progress: { selections: 3 } })
  expect(chunks.map(({ startIndex, means }) => [startIndex, means.length])).toEqual([
    [0, 200_000],
    [50_000, 200_000],
    [100_000, 80_004],
  ])
  const last = chunks[2]
  expect(last && numbers(last.means, Float32Array).slice(0, 2)).toEqual([50_000, 50_000.5])
  expect(last && numbers(last.variances, Float32Array).slice(0, 2)).toEqual([25_000, 25_000.25])
  expect(last && numbers(last.lastLosses, Float32Array).slice(0, 2)).toEqual([12_500, 12_500.125])
  expect(last && numbers(last.timesReported, Uint32Array).slice(0, 2)).toEqual([100_000 % 65_536, 100_001 % 65_536])
  expect(last && numbers(last.timesKept, Uint32Array).slice(0, 5)).toEqual([0, 1, 2, 3, 0])
  expect(summary).toEqual({ alwaysCount: 30_000, sometimesCount: 60_000, neverCount: 30_001 })
  expect(served.reading).toEqual({ released: 1, chunkSizes: new Set([50_000]) })
})

test('counts nothing while nothing was selected', async () => {
  const served = await serveStatistics(10, { selections: 0, timesKept: () => 0 })
  expect((await read(served)).summary).toEqual({ alwaysCount: 0, sometimesCount: 0, neverCount: 0 })
})

test('takes a count that stays at its upper end for always', async () => {
  const served = await serveStatistics(10, { selections: 70_000, timesKept: (i) => (i < 4 ? 65_535 : 65_534) })
  expect((await read(served)).summary).toEqual({ alwaysCount: 4, sometimesCount: 6, neverCount: 0 })
})

test('lets go of the reading when the sampler drains, and when the reader is gone', async () => {
  for (const end of ['drain', 'vanish'] as const) {
    const { address, reading, drain, errors } = await serveStatistics(500_000)
    const call = await RawCall.open(address, '/keepset.v1.RunService/StreamStatistics', { initialWindowSize: 1000 })
    call.send(StreamStatisticsRequest.encode({ runId: 'run' }).finish())
    call.stream.end()
    await once(call.stream, 'response')
    expect(reading.released).toBe(0)
    if (end === 'drain') drain()
    else call.destroy()
    await vi.waitFor(() => expect(reading.released).toBe(1))
    expect(errors).toEqual([])
    call.destroy()
  }
})

test('lets go of the reading when it fails', async () => {
  const { stubs, reading } = await serveStatistics(10, { fail: true })
  const refusal = await refused(collect(stubs.runs.streamStatistics({ runId: 'run' })))
  expect(refusal.code).toBe('INTERNAL')
  expect(reading.released).toBe(1)
})

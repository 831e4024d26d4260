import { type Client, connect, InvalidArgumentError, RunNotFoundError, type StatisticsPart, ucb } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import { afterAll, beforeAll, expect, it } from 'vitest'

let sampler: Sampler
let client: Client

beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  client = connect(sampler.addresses.grpc)
})

afterAll(async () => {
  client.close()
  await sampler.stop()
})

async function readParts(runId: string): Promise<StatisticsPart[]> {
  const parts: StatisticsPart[] = []
  for await (const part of client.streamStatistics(runId)) parts.push(part)
  return parts
}

it('tells what is known of each sample', async () => {
  const run = await client.createRun({ sampleCount: 4, policy: ucb(), pruneRate: 0.5, epochs: 3, selectionPeriod: 1 })
  const everything = await run.planEpoch(0)
  everything.report(Uint32Array.of(0, 1, 2, 3), [8, 1, Number.NaN, 6])
  const { indices: kept } = { indices: await (await run.planEpoch(1)).indices() }
  // Sample 2 is unseen and so comes first, then the one with the largest loss.
  expect([...kept].sort()).toEqual([0, 2])
  await run.flush()
  expect(await readParts(run.runId)).toEqual([
    { kind: 'run', run: await run.info() },
    {
      kind: 'chunk',
      startIndex: 0,
      means: Float32Array.of(8, 1, 0, 6),
      variances: Float32Array.of(0, 0, 0, 0),
      lastLosses: Float32Array.of(8, 1, 0, 6),
      timesReported: Uint32Array.of(1, 1, 0, 1),
      timesKept: Uint32Array.of(1, 0, 1, 0),
      metrics: {},
    },
    { kind: 'summary', always: 2, sometimes: 0, never: 2 },
  ])
  expect((await run.info()).progress.selections).toBe(1)
})

it('tells the metrics of each sample, as they were reported last', async () => {
  const metrics = ['correct', 'margin']
  const run = await client.createRun({ sampleCount: 4, policy: ucb(), epochs: 3, metrics })
  expect((await run.info()).settings.metrics).toEqual(metrics)
  const first = await run.planEpoch(0)
  first.report(Uint32Array.of(0, 1, 2), [8, 1, Number.NaN], { margin: [0.5, Number.NaN, 0.25], correct: [0, 1, 0] })
  first.report(Uint32Array.of(0, 2), [9, 9], { correct: [1, 1] }) // A repeat, and the first loss of sample 2.
  const second = await run.planEpoch(1)
  second.report(Uint32Array.of(1), [1], { correct: Float32Array.of(0) })
  second.report(Uint32Array.of(0), [1])
  await run.flush()
  const [, chunk] = await readParts(run.runId)
  expect(chunk).toMatchObject({
    metrics: {
      correct: Float32Array.of(0, 0, 1, Number.NaN),
      margin: Float32Array.of(0.5, Number.NaN, 0.25, Number.NaN),
    },
  })
  second.report(Uint32Array.of(2), [1], { corect: [1] })
  await expect(run.flush()).rejects.toMatchObject({
    constructor: InvalidArgumentError,
    fieldViolations: [{ field: 'report.metrics[0].name' }],
  })
})

it('adds up over many chunks', async () => {
  const sampleCount = 110_000
  const run = await client.createRun({ sampleCount, policy: ucb(), pruneRate: 0.5, epochs: 2, selectionPeriod: 1 })
  const plan = await run.planEpoch(0)
  for await (const batch of plan.batches(10_000)) plan.report(batch, Float32Array.from(batch.indices))
  await run.planEpoch(1)
  const parts = await readParts(run.runId)
  let next = 0
  for (const part of parts) {
    if (part.kind !== 'chunk') continue
    expect(part.startIndex).toBe(next)
    expect([...part.means]).toEqual(Array.from(part.means, (_, i) => next + i))
    next += part.means.length
  }
  expect(next).toBe(sampleCount)
  expect(parts.at(-1)).toEqual({ kind: 'summary', always: 55_000, sometimes: 0, never: 55_000 })
})

it('can be left early; a run that is not there has none', async () => {
  const run = await client.createRun({ sampleCount: 200_000, policy: ucb() })
  for await (const part of client.streamStatistics(run.runId)) {
    expect(part.kind).toBe('run')
    break
  }
  await expect(readParts('nobody')).rejects.toBeInstanceOf(RunNotFoundError)
})

import type { StatisticsChunk } from '@keepset/proto'
import { PlanReason, RunSpec } from '@keepset/proto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { collect } from '../../support/calls.js'
import { refused } from '../../support/refusal.js'
import { type SamplerStubs, TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start()
})
afterAll(() => sampler.stop())

const floats = (bytes: Buffer) => [...new Float32Array(new Uint8Array(bytes).buffer)]
const counts = (bytes: Buffer) => [...new Uint32Array(new Uint8Array(bytes).buffer)]

/** The chunks put together. */
function join(chunks: readonly StatisticsChunk[]) {
  const all = (name: 'means' | 'variances' | 'lastLosses') => chunks.flatMap((chunk) => floats(chunk[name]))
  return {
    means: all('means'),
    variances: all('variances'),
    lastLosses: all('lastLosses'),
    timesReported: chunks.flatMap(({ timesReported }) => counts(timesReported)),
    timesKept: chunks.flatMap(({ timesKept }) => counts(timesKept)),
    metrics: (chunks[0]?.metrics ?? []).map(({ name }, i) => [
      name,
      chunks.flatMap(({ metrics }) => floats(metrics[i]?.values as Buffer)),
    ]),
  }
}

async function readStatistics(from: SamplerStubs, runId: string) {
  const [first, ...rest] = (await collect(from.runs.streamStatistics({ runId }))).map(({ part }) => part)
  const last = rest.pop()
  if (first?.$case !== 'run' || last?.$case !== 'summary') throw new Error('the run or the summary is missing')
  const chunks = rest.map((part) => {
    if (part?.$case !== 'chunk') throw new Error('something else than a chunk came between')
    return part.value
  })
  return { run: first.value, chunks, summary: last.value, ...join(chunks) }
}

/** What the statistics must be, computed sample by sample from what was reported and kept. */
class Ledger {
  readonly means: number[]
  readonly variances: number[]
  readonly lastLosses: number[]
  readonly timesReported: number[]
  readonly timesKept: number[]
  readonly metrics: [name: string, values: number[]][]
  selections = 0
  #observed = new Set<number>()
  readonly #alpha: number
  readonly #startsAtFirstLoss: boolean

  constructor(sampleCount: number, alpha: number, startsAtFirstLoss: boolean, metrics: readonly string[]) {
    const zeros = () => Array.from({ length: sampleCount }, () => 0)
    this.means = zeros()
    this.variances = zeros()
    this.lastLosses = zeros()
    this.timesReported = zeros()
    this.timesKept = zeros()
    this.metrics = metrics.map((name) => [name, zeros().fill(Number.NaN)])
    this.#alpha = Math.fround(alpha)
    this.#startsAtFirstLoss = startsAtFirstLoss
  }

  plan(reason: PlanReason, indices: readonly number[]): void {
    this.#observed = new Set()
    if (reason !== PlanReason.PLAN_REASON_SELECTED) return
    this.selections++
    for (const index of indices) this.timesKept[index] = (this.timesKept[index] as number) + 1
  }

  report(index: number, loss: number, metrics: Readonly<Record<string, number>>): void {
    if (this.#observed.has(index)) return
    for (const [name, values] of this.metrics) {
      if (Number.isFinite(metrics[name])) values[index] = metrics[name] as number
    }
    if (!Number.isFinite(loss)) return
    this.#observed.add(index)
    const { fround } = Math
    const [alpha, beta] = [this.#alpha, fround(1 - this.#alpha)]
    const times = this.timesReported[index] as number
    const mean = this.means[index] as number
    const difference = fround(loss - mean)
    if (times === 0 && this.#startsAtFirstLoss) this.means[index] = loss
    else {
      const variance = this.variances[index] as number
      this.variances[index] = fround(fround(beta * variance) + fround(alpha * fround(difference * difference)))
      this.means[index] = fround(fround(beta * mean) + fround(alpha * loss))
    }
    this.lastLosses[index] = loss
    this.timesReported[index] = times + 1
  }

  get summary() {
    const [all, none] = [this.selections, 0]
    const having = (isMeant: (times: number) => boolean) => this.timesKept.filter(isMeant).length
    if (all === 0) return { alwaysCount: 0, sometimesCount: 0, neverCount: 0 }
    return {
      alwaysCount: having((times) => times === all),
      sometimesCount: having((times) => times < all && times > none),
      neverCount: having((times) => times === none),
    }
  }
}

const loss = fc.oneof(
  { weight: 8, arbitrary: fc.float({ min: 0, max: 100, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, Math.fround(-1.5)) },
)

const training = fc.record({
  sampleCount: fc.integer({ min: 1, max: 80 }),
  seed: fc.bigInt({ min: 0n, max: 1000n }),
  pruneRate: fc.constantFrom(0, 0.3, 0.5, 0.7),
  warmupEpochs: fc.integer({ min: 0, max: 2 }),
  selectionPeriod: fc.integer({ min: 1, max: 3 }),
  alpha: fc.constantFrom(1, 0.8, 0.1),
  initial: fc.constantFrom(1 as const, 2 as const),
  metrics: fc.subarray(['correct', 'margin', 'entropy']),
  /** Of each epoch: the losses of its batches of up to 8 samples, further ones being left out. */
  epochs: fc.array(fc.array(fc.array(loss, { minLength: 1, maxLength: 8 }), { maxLength: 12 }), { maxLength: 6 }),
})

test('are what follows from the reports and the selections, value by value', async () => {
  let runs = 0
  await fc.assert(
    fc.asyncProperty(training, async ({ sampleCount, alpha, initial, metrics, epochs, pruneRate, ...settings }) => {
      const runId = `property-${runs++}`
      const spec = RunSpec.fromPartial({
        ...settings,
        sampleCount,
        metrics,
        pruneRate: sampleCount < 4 ? 0 : pruneRate,
        policy: { $case: 'ucb', value: { alpha, initial } },
      })
      await sampler.createRun(runId, spec)
      const ledger = new Ledger(sampleCount, alpha, initial === 1, metrics)
      for (const [epoch, batches] of epochs.entries()) {
        const { header, indices } = await sampler.plan({ runId, epoch })
        ledger.plan(header.reason, indices)
        for (const [number, losses] of batches.entries()) {
          // Some batches overlap: a second loss of a sample in an epoch changes nothing.
          const batch = losses.map((_, i) => indices[(number * 5 + i) % indices.length] as number)
          // Each report has some of the metrics; their values are those of the losses, elsewhere.
          const reported = metrics.filter((_, place) => (number + place) % 3 > 0)
          const valuesOf = (place: number) => losses.map((_, i) => losses[(i + place + 1) % losses.length] as number)
          const columns = Object.fromEntries(reported.map((name, place) => [name, valuesOf(place)]))
          await sampler.report({ runId, epoch, sequence: number + 1, indices: batch, losses, metrics: columns })
          for (const [i, index] of batch.entries()) {
            const values = Object.entries(columns).map(([name, column]) => [name, column[i] as number])
            ledger.report(index, losses[i] as number, Object.fromEntries(values))
          }
        }
      }
      const { run, chunks, summary, ...columns } = await readStatistics(sampler, runId)
      const { means, variances, lastLosses, timesReported, timesKept } = ledger
      expect(columns).toEqual({ means, variances, lastLosses, timesReported, timesKept, metrics: ledger.metrics })
      expect(summary).toEqual(ledger.summary)
      expect(run).toEqual(await sampler.getRun(runId))
      expect(run.progress?.selections).toBe(ledger.selections)
      expect(chunks.map(({ startIndex }) => startIndex)).toEqual([0])
      await sampler.deleteRun(runId)
    }),
    { numRuns: 40 },
  )
})

test('of many samples come in chunks of at most 200,000 bytes an array, in the order of the indices', async () => {
  await sampler.createRun('many', { sampleCount: 130_000, pruneRate: 0.5, warmupEpochs: 0 })
  const { indices } = await sampler.plan({ runId: 'many' })
  await sampler.report({ runId: 'many', sequence: 1, indices: indices.slice(0, 10_000) })
  const { chunks, summary, timesReported, timesKept } = await readStatistics(sampler, 'many')
  expect(chunks.map(({ startIndex, means }) => [startIndex, means.length])).toEqual([
    [0, 200_000],
    [50_000, 200_000],
    [100_000, 120_000],
  ])
  const kept = new Set(indices)
  expect(timesKept).toEqual(Array.from({ length: 130_000 }, (_, index) => (kept.has(index) ? 1 : 0)))
  const reported = new Set(indices.slice(0, 10_000))
  expect(timesReported).toEqual(Array.from({ length: 130_000 }, (_, index) => (reported.has(index) ? 1 : 0)))
  expect(summary).toEqual({ alwaysCount: 65_000, sometimesCount: 0, neverCount: 65_000 })
})

test('with metrics come in chunks of at most 1 MB together', async () => {
  const metrics = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  await sampler.createRun('wide', { sampleCount: 50_000, metrics })
  await sampler.plan({ runId: 'wide' })
  const columns = Object.fromEntries(metrics.map((name, place) => [name, [place, Number.NaN]]))
  await sampler.report({ runId: 'wide', sequence: 1, indices: [49_999, 0], metrics: columns })
  const { chunks, metrics: found } = await readStatistics(sampler, 'wide')
  const sizes = chunks.map(({ startIndex, ...arrays }) => {
    const all = [...arrays.metrics.map(({ values }) => values), ...Object.values(arrays).filter(Buffer.isBuffer)]
    return [startIndex, all.length, all.reduce((sum, { length }) => sum + length, 0)]
  })
  expect(sizes).toEqual([
    [0, 13, 999_960],
    [19_230, 13, 999_960],
    [38_460, 13, 52 * 11_540],
  ])
  for (const [place, [name, values]] of found.entries()) {
    expect([name, values?.[0], values?.[49_999]]).toEqual([metrics[place], Number.NaN, place])
  }
})

test('metrics decide nothing: with other ones, and without, a run has the same plans', async () => {
  const digests: string[][] = []
  for (const [runId, scale] of [
    ['with-metrics', 1],
    ['with-others', -7],
    ['with-none', 0],
  ] as const) {
    const policy = { $case: 'ucb' as const, value: {} }
    const metrics = scale === 0 ? [] : ['correct']
    await sampler.createRun(runId, { sampleCount: 60, pruneRate: 0.5, selectionPeriod: 1, seed: 5n, policy, metrics })
    const own: string[] = []
    for (let epoch = 0; epoch < 5; epoch++) {
      const { header, indices } = await sampler.plan({ runId, epoch })
      own.push(header.digest.toString('hex'))
      const losses = indices.map((index) => (index * 7 + epoch) % 13)
      const columns = scale === 0 ? {} : { correct: indices.map((index) => index * scale) }
      await sampler.report({ runId, epoch, sequence: 1, indices, losses, metrics: columns })
    }
    digests.push(own)
  }
  expect(digests[1]).toEqual(digests[0])
  expect(digests[2]).toEqual(digests[0])
})

test('are those of one moment, whatever is reported and planned while they are read', async () => {
  const sampleCount = 2_500_000
  await sampler.createRun('moment', { sampleCount, pruneRate: 0.5, warmupEpochs: 1, selectionPeriod: 1 })
  await sampler.plan({ runId: 'moment' })
  const last = [sampleCount - 2, sampleCount - 1]
  await sampler.report({ runId: 'moment', sequence: 1, indices: last, losses: [3, 3] })
  const before = await sampler.getRun('moment')

  const stream = sampler.runs.streamStatistics({ runId: 'moment' })
  stream.once('data', () => stream.pause())
  await new Promise((resolve) => stream.once('pause', resolve))
  await sampler.report({ runId: 'moment', sequence: 2, indices: [sampleCount - 3], losses: [9] })
  await sampler.plan({ runId: 'moment', epoch: 1 })
  const rest = collect(stream)
  stream.resume()
  const messages = await rest
  const summary = messages.at(-1)?.part
  const chunk = messages.at(-2)?.part
  if (summary?.$case !== 'summary' || chunk?.$case !== 'chunk') throw new Error('the end is missing')
  expect(floats(chunk.value.means).slice(-3)).toEqual([0, 3, 3])
  expect(counts(chunk.value.timesKept).slice(-3)).toEqual([0, 0, 0])
  expect(summary.value).toEqual({ alwaysCount: 0, sometimesCount: 0, neverCount: 0 })
  expect(before.progress).toMatchObject({ selections: 0, reports: 1n })
  expect((await sampler.getRun('moment')).progress).toMatchObject({ selections: 1, reports: 2n })
})

test('of a finished run are there still; of one that is not there NOT_FOUND', async () => {
  await sampler.createRun('closed', { sampleCount: 3 })
  await sampler.plan({ runId: 'closed' })
  await sampler.report({ runId: 'closed', sequence: 1, indices: [1], losses: [0.5] })
  await sampler.finishRun('closed')
  expect(await readStatistics(sampler, 'closed')).toMatchObject({
    means: [0, 0.5, 0],
    lastLosses: [0, 0.5, 0],
    timesReported: [0, 1, 0],
  })
  const refusal = await refused(readStatistics(sampler, 'nobody'))
  expect(refusal).toMatchObject({ code: 'NOT_FOUND', reason: 'RUN_NOT_FOUND' })
})

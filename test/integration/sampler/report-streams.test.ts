import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeRefusal } from '../../support/refusal.js'
import { lossReport, type PlainReport, TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start()
})
afterAll(() => sampler.stop())

/** A run of `sampleCount` with epoch 0 planned; the indices of its rank 0. */
async function plannedRun(runId: string, sampleCount: number): Promise<readonly number[]> {
  await sampler.createRun(runId, { sampleCount })
  return (await sampler.plan({ runId })).indices
}

/** Reports of 2 samples each, numbered from 1. */
function reports(runId: string, indices: readonly number[], change: Partial<PlainReport> = {}) {
  return Array.from({ length: indices.length / 2 }, (_, i) =>
    lossReport({ runId, sequence: i + 1, indices: indices.slice(2 * i, 2 * i + 2), ...change }),
  )
}

const sequences = (acks: readonly { sequence: number }[]) => acks.map(({ sequence }) => sequence)
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

test('acknowledges every report, in order, more of them than may wait at once', async () => {
  const stream = sampler.openReports()
  stream.send(...reports('many', await plannedRun('many', 2000)))
  const acks = await stream.finish()
  expect(sequences(acks)).toEqual(upTo(1000))
  expect(acks.every(({ duplicate, observationCount }) => !duplicate && observationCount === 2)).toBe(true)
  expect((await sampler.getRun('many')).progress).toMatchObject({ reports: 1000n, observations: 2000n, repeats: 0n })
})

test('an empty stream ends with OK', async () => {
  expect(await sampler.openReports().finish()).toEqual([])
})

test('repeats are acknowledged as such: of this epoch, and of the one before once the next is planned', async () => {
  const all = reports('repeats', await plannedRun('repeats', 20))
  const stream = sampler.openReports()
  stream.send(...all.slice(0, 4), ...all.slice(0, 4), ...all.slice(4))
  await stream.acknowledged(14)
  expect(sequences(stream.acks)).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(stream.acks.map(({ duplicate }) => duplicate)).toEqual(stream.acks.map((_, i) => i >= 4 && i < 8))
  const { indices } = await sampler.plan({ runId: 'repeats', epoch: 1, lastSequence: 10 })
  const before = await sampler.dump()
  stream.send(...all)
  await stream.acknowledged(24)
  expect(await sampler.dump()).toBe(before)
  stream.send(...reports('repeats', indices, { epoch: 1 }).slice(0, 2))
  const acks = await stream.finish()
  expect(acks.slice(14, 24).every(({ duplicate, epoch }) => duplicate && epoch === 0)).toBe(true)
  expect(acks.slice(24)).toMatchObject([
    { epoch: 1, sequence: 1, duplicate: false },
    { epoch: 1, sequence: 2, duplicate: false },
  ])
  expect((await sampler.getRun('repeats')).progress).toMatchObject({ reports: 12n, repeats: 0n })
})

test('a second observation of a sample in an epoch is a repeat and is not counted', async () => {
  const [a = 0, b = 0, c = 0] = await plannedRun('second', 10)
  const ack = await sampler.report({ runId: 'second', sequence: 1, indices: [a, b, a] })
  expect(ack).toMatchObject({ observationCount: 2, repeatCount: 1 })
  expect(await sampler.report({ runId: 'second', sequence: 2, indices: [b, c] })).toMatchObject({
    observationCount: 1,
    repeatCount: 1,
  })
})

test('the first bad report ends the stream, after the acknowledgements of what came before; nothing behind it counts', async () => {
  const all = reports('bad', await plannedRun('bad', 20))
  const stream = sampler.openReports()
  stream.send(...all.slice(0, 3), lossReport({ runId: 'bad', sequence: 4, indices: [20] }), ...all.slice(4))
  const refusal = decodeRefusal(await stream.ended)
  expect(refusal).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD', fields: ['sample_indices'] })
  expect(sequences(stream.acks)).toEqual([1, 2, 3])
  const { progress } = await sampler.getRun('bad')
  expect(progress).toMatchObject({ reports: 3n, observations: 6n })
})

test('one stream serves several runs', async () => {
  const [a, b] = [await plannedRun('shared-a', 20), await plannedRun('shared-b', 20)]
  const ofA = reports('shared-a', a)
  const ofB = reports('shared-b', b)
  const stream = sampler.openReports()
  stream.send(...ofA.flatMap((report, i) => [report, ofB[i]]))
  expect(sequences(await stream.finish())).toEqual(upTo(10).flatMap((sequence) => [sequence, sequence]))
  for (const runId of ['shared-a', 'shared-b']) {
    expect((await sampler.getRun(runId)).progress).toMatchObject({ reports: 10n, observations: 20n, repeats: 0n })
  }
})

test('several streams serve one run, a rank each; the same report over two of them counts once', async () => {
  await sampler.createRun('wide', { sampleCount: 90 })
  const plans = await sampler.planAll(3, { runId: 'wide' })
  const streams = plans.map(() => sampler.openReports())
  const byRank = plans.map(({ indices }, rank) => reports('wide', indices, { rank }))
  for (let i = 0; i < 15; i++) {
    for (const [rank, stream] of streams.entries()) stream.send(byRank[rank]?.[i])
  }
  for (const acks of await Promise.all(streams.map((stream) => stream.finish())))
    expect(sequences(acks)).toEqual(upTo(15))
  const twin = sampler.openReports()
  twin.send(...(byRank[1] ?? []))
  expect((await twin.finish()).every(({ duplicate }) => duplicate)).toBe(true)
  expect((await sampler.getRun('wide')).progress).toMatchObject({ reports: 45n, observations: 90n, repeats: 0n })
})

test('reports that come while the next plan is made are refused or acknowledged, never lost or counted twice', async () => {
  const indices = await plannedRun('race', 20_000)
  const all = reports('race', indices)
  const stream = sampler.openReports()
  stream.send(...all.slice(0, 100))
  const plan = sampler.plan({ runId: 'race', epoch: 1, lastSequence: 50 })
  const error = await Promise.race([stream.finish().then(() => undefined), stream.ended])
  if (error) expect(decodeRefusal(error).reason).toBe('WRONG_EPOCH')
  await plan
  const { progress } = await sampler.getRun('race')
  expect(Number(progress?.reports)).toBe(stream.acks.length)
  expect(Number(progress?.observations)).toBe(2 * stream.acks.length)
})

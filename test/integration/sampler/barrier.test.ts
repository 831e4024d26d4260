import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { serverDeadline } from '../../support/calls.js'
import { refused } from '../../support/refusal.js'
import { TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start()
})
afterAll(() => sampler.stop())

/** Enough for a call that is answered at once; one that waits for the barrier is answered when it is over. */
const SOON = 200

const ascending = (indices: readonly number[]) => [...indices].sort((a, b) => a - b)

test.each([{ order: [0, 1, 2, 3] }, { order: [3, 2, 1, 0] }, { order: [2, 0, 3, 1] }])(
  'ranks that ask in the order $order get one plan, shared out',
  async ({ order }) => {
    const runId = `order-${order.join('')}`
    await sampler.createRun(runId, { sampleCount: 1000, pruneRate: 0.3, warmupEpochs: 0, seed: 7n })
    const plans = order.slice(0, -1).map((rank) => sampler.plan({ runId, rank, worldSize: 4 }))
    expect((await sampler.getRun(runId)).nextEpoch).toBe(0)
    plans.push(sampler.plan({ runId, rank: order.at(-1) as number, worldSize: 4 }))
    const received = await Promise.all(plans)
    const [first] = received
    for (const { header, indices } of received) {
      expect(header).toEqual(first?.header)
      expect(header).toMatchObject({
        keptCount: 700,
        sampleCount: 1000,
        positionCount: 175,
        saving: 0.30000000000000004,
      })
      expect(indices).toHaveLength(175)
    }
    expect(new Set(received.flatMap(({ indices }) => indices)).size).toBe(700)
  },
)

test('the order of an epoch does not depend on the world size, and rank r has its positions r, r + W, ...', async () => {
  const spec = { sampleCount: 120, pruneRate: 0.5, warmupEpochs: 0, seed: 3n }
  const byWorldSize = await Promise.all(
    [1, 2, 3, 5].map(async (worldSize) => {
      const runId = `world-${worldSize}`
      await sampler.createRun(runId, spec)
      return sampler.planAll(worldSize, { runId })
    }),
  )
  const order = byWorldSize[0]?.[0]?.indices ?? []
  expect(order).toHaveLength(60)
  for (const plans of byWorldSize) {
    for (const [rank, { header, indices }] of plans.entries()) {
      expect(header.digest).toEqual(byWorldSize[0]?.[0]?.header.digest)
      expect(indices).toEqual(order.filter((_, position) => position % plans.length === rank))
    }
  }
})

test('a plan asked for twice is the same; while it is waited for, the newest call of a rank counts', async () => {
  await sampler.createRun('twice', { sampleCount: 50, pruneRate: 0.5, warmupEpochs: 0 })
  const older = refused(sampler.plan({ runId: 'twice', rank: 0, worldSize: 2 }))
  const newer = sampler.plan({ runId: 'twice', rank: 0, worldSize: 2 })
  expect(await older).toMatchObject({ code: 'ABORTED', reason: 'ASK_SUPERSEDED' })
  const [a, c] = await Promise.all([newer, sampler.plan({ runId: 'twice', rank: 1, worldSize: 2 })])
  expect(await sampler.plan({ runId: 'twice', rank: 0, worldSize: 2 })).toEqual(a)
  expect(await sampler.plan({ runId: 'twice', rank: 1, worldSize: 2 })).toEqual(c)
  expect((await sampler.getRun('twice')).nextEpoch).toBe(1)
})

test('waits for the reports that were said to be sent, and comes with the last of them', async () => {
  const runId = 'reports'
  await sampler.createRun(runId, { sampleCount: 40, pruneRate: 0.5 })
  const [first, second] = await sampler.planAll(2, { runId })
  const samples = [first?.indices ?? [], second?.indices ?? []]
  const report = (rank: number, sequence: number) =>
    sampler.report({ runId, rank, sequence, indices: (samples[rank] ?? []).slice(5 * sequence - 5, 5 * sequence) })
  await report(0, 1)
  const plans = [
    sampler.plan({ runId, epoch: 1, rank: 0, worldSize: 2, lastSequence: 2 }),
    sampler.plan({ runId, epoch: 1, rank: 1, worldSize: 2, lastSequence: 3 }),
  ]
  for (const [rank, sequence] of [
    [1, 1],
    [1, 2],
    [0, 2],
  ] as const) {
    await report(rank, sequence)
    expect((await sampler.getRun(runId)).nextEpoch).toBe(1)
  }
  await report(1, 3)
  const [a, b] = await Promise.all(plans)
  expect(a?.header.digest).toEqual(b?.header.digest)
  expect(await sampler.getRun(runId)).toMatchObject({ nextEpoch: 2, progress: { reports: 5n, observations: 25n } })
})

test('a report that is refused does not open the barrier', async () => {
  const runId = 'refused-report'
  await sampler.createRun(runId, { sampleCount: 10 })
  await sampler.plan({ runId })
  const plan = sampler.plan({ runId, epoch: 1, lastSequence: 1 })
  await refused(sampler.report({ runId, sequence: 1, indices: [10] }))
  expect((await sampler.getRun(runId)).nextEpoch).toBe(1)
  await sampler.report({ runId, sequence: 1, indices: [9] })
  expect((await plan).header.epoch).toBe(1)
})

test('a deadline names the ranks that did not ask and the reports that did not come', async () => {
  const runId = 'deadline'
  await sampler.createRun(runId, { sampleCount: 100 })
  const [first] = await sampler.planAll(2, { runId })
  await sampler.report({ runId, sequence: 1, indices: (first?.indices ?? []).slice(0, 2) })
  const before = await sampler.dump()
  const ask = (rank: number, lastSequence: number) =>
    sampler.plan({ runId, epoch: 1, rank, worldSize: 5, lastSequence }, serverDeadline(SOON))
  const [refusal] = await Promise.all([refused(ask(0, 3)), refused(ask(3, 0))])
  expect(refusal).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'BARRIER_TIMEOUT', domain: 'keepset.dev' })
  expect(refusal.text).toContain('ranks 1, 2, 4 of 5')
  expect(refusal.text).toContain('rank 0 said it sent 3 reports for epoch 0, of which 1 came')
  expect(await sampler.dump()).toBe(before)
})

test('after a deadline the barrier completes when all ask again', async () => {
  const runId = 'again'
  await sampler.createRun(runId, { sampleCount: 100 })
  expect(await refused(sampler.plan({ runId, rank: 1, worldSize: 2 }, serverDeadline(SOON)))).toMatchObject({
    reason: 'BARRIER_TIMEOUT',
  })
  // Rank 1 has left: rank 0 alone does not make the plan.
  expect(await refused(sampler.plan({ runId, rank: 0, worldSize: 2 }, serverDeadline(SOON)))).toMatchObject({
    reason: 'BARRIER_TIMEOUT',
  })
  const [a, b] = await sampler.planAll(2, { runId })
  expect(a?.header.digest).toEqual(b?.header.digest)
})

test('a deadline that is over already is answered as one', async () => {
  await sampler.createRun('over', { sampleCount: 100 })
  const refusal = await refused(sampler.plan({ runId: 'over', rank: 0, worldSize: 2 }, serverDeadline(0)))
  expect(refusal.code).toBe('DEADLINE_EXCEEDED')
  expect((await sampler.plan({ runId: 'over' })).indices).toHaveLength(100)
})

test('a rank that vanished while it waited can ask again, and does not count until it does', async () => {
  const runId = 'vanished'
  await sampler.createRun(runId, { sampleCount: 100 })
  const vanishing = sampler.openPlan({ runId, rank: 0, worldSize: 2 })
  vanishing.on('error', () => {})
  await sampler.getRun(runId)
  vanishing.cancel()
  await sampler.getRun(runId)
  const other = sampler.plan({ runId, rank: 1, worldSize: 2 })
  await sampler.getRun(runId)
  expect((await sampler.getRun(runId)).nextEpoch).toBe(0)
  const again = await sampler.plan({ runId, rank: 0, worldSize: 2 })
  expect((await other).header).toEqual(again.header)
})

test('another world size works once all who waited with the first have left', async () => {
  const runId = 'elastic'
  await sampler.createRun(runId, { sampleCount: 100 })
  await sampler.planAll(4, { runId })
  const leaving = [0, 1, 2].map((rank) => sampler.openPlan({ runId, epoch: 1, rank, worldSize: 4 }))
  for (const call of leaving) call.on('error', () => {})
  await sampler.getRun(runId)
  for (const call of leaving) call.cancel()
  // Until the sampler has seen them leave it refuses, which is right.
  const plans = await vi.waitFor(() => sampler.planAll(2, { runId, epoch: 1 }), { timeout: 10_000 })
  expect(plans.map(({ indices }) => indices.length)).toEqual([50, 50])
  expect(ascending(plans.flatMap(({ indices }) => indices))).toEqual(Array.from({ length: 100 }, (_, index) => index))
})

import { type Client, connect, epsilonGreedy, full, random, staticRandom, ucb } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lossOf, trainEpoch, trainRank } from './train.js'

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

describe('the training loop', () => {
  it('trains as the documentation shows it', async () => {
    const run = await client.createRun({
      runId: 'demo',
      sampleCount: 1_000,
      policy: ucb(),
      pruneRate: 0.5,
      epochs: 6,
      seed: 1n,
    })
    const kept: number[] = []
    for (let epoch = 0; epoch < 6; epoch++) {
      const plan = await run.planEpoch(epoch)
      kept.push(plan.keptCount)
      for await (const batch of plan.batches(128)) {
        plan.report(
          batch,
          Float32Array.from(batch.indices, (index) => lossOf(index, epoch)),
        )
      }
    }
    const { state, progress } = await run.finish()
    expect(kept).toEqual([1_000, 500, 500, 500, 500, 500])
    expect(state).toBe('finished')
    expect(progress).toEqual({
      epochsPlanned: 6,
      samplesPlanned: 3_500,
      reports: 8 + 5 * 4,
      observations: 3_500,
      nonFinite: 0,
      repeats: 0,
      scored: 0,
      samplesPlannedElsewhere: 0,
      saving: 1 - 3_500 / 6_000,
      selections: 5,
    })
  })

  it.each([
    { policy: full(), pruneRate: 0, kept: 100 },
    { policy: staticRandom(), pruneRate: 0.3, kept: 70 },
    { policy: random(), pruneRate: 0.3, kept: 70 },
    { policy: epsilonGreedy({ epsilon: 0.2, alpha: 0.5, initial: 'zero' }), pruneRate: 0.3, kept: 70 },
    { policy: ucb({ c: 2 }), pruneRate: 0.3, kept: 70 },
  ])('keeps the right number of samples under $policy.kind', async ({ policy, pruneRate, kept }) => {
    const run = await client.createRun({ sampleCount: 100, policy, pruneRate, epochs: 4, seed: 7 })
    const trained = await trainRank(run, { rank: 0, worldSize: 1, epochs: 4, batchSize: 32 })
    const later = policy.kind === 'full' || trained[0]?.reason === 'selected' ? kept : 100
    expect(trained[0]?.indices).toHaveLength(later)
    for (const { indices } of trained.slice(1)) expect(new Set(indices).size).toBe(kept)
    expect((await run.info()).settings.policy).toMatchObject(policy)
    await run.finish()
  })

  it('serves several ranks with one Run object, to the same plans as with one rank', async () => {
    const settings = { sampleCount: 303, policy: ucb(), pruneRate: 0.4, epochs: 4, selectionPeriod: 2, seed: 5n }
    const alone = await client.createRun(settings)
    const lone = await trainRank(alone, { rank: 0, worldSize: 1, epochs: 4, batchSize: 16 })
    const shared = await client.createRun(settings)
    const ranks = await Promise.all(
      [0, 1, 2].map((rank) => trainRank(shared, { rank, worldSize: 3, epochs: 4, batchSize: 16 })),
    )
    for (const trained of ranks) expect(trained.map(({ digest }) => digest)).toEqual(lone.map(({ digest }) => digest))
    await shared.flush()
    const { progress } = await shared.info()
    expect(progress.observations).toBe((await alone.info()).progress.observations)
    expect(progress.reports).toBe(ranks.flat().reduce((sum, { reports }) => sum + reports, 0))
  })

  it('tells all of a plan before its first batch', async () => {
    const run = await client.createRun({
      sampleCount: 10,
      policy: random(),
      pruneRate: 0.5,
      epochs: 2,
      warmupEpochs: 0,
    })
    const plan = await run.planEpoch(0)
    expect(plan).toMatchObject({
      epoch: 0,
      rank: 0,
      worldSize: 1,
      keptCount: 5,
      sampleCount: 10,
      positionCount: 5,
      saving: 0.5,
      selectionEpoch: 0,
      reason: 'selected',
    })
    expect(plan.digest).toMatch(/^[0-9a-f]{64}$/)
    expect((await plan.indices()).length).toBe(5)
    expect(await plan.indices()).toEqual(await plan.indices())
  })

  it('goes on in mid-epoch after a restart, in a new client', async () => {
    const settings = { runId: 'restarted', sampleCount: 100, policy: ucb(), pruneRate: 0.5, epochs: 3 }
    const first = await client.createRun(settings)
    const before = await first.planEpoch(0)
    const seen: number[] = []
    for await (const batch of before.batches(10)) {
      if (batch.startPosition === 40) break
      seen.push(...batch.indices)
      before.report(batch, batch.indices)
    }
    await first.flush()

    const restarted = connect(sampler.addresses.grpc)
    try {
      const run = await restarted.createRun(settings)
      const plan = await run.planEpoch(0, { startPosition: 40 })
      expect([before.appliedSequence, plan.appliedSequence]).toEqual([0, 4])
      expect(plan.digest).toBe(before.digest)
      const { indices } = await trainEpoch(plan, 10)
      expect(new Set([...seen, ...indices]).size).toBe(100)
      const { progress } = await run.finish()
      expect(progress).toMatchObject({ reports: 10, observations: 100, repeats: 0 })
    } finally {
      restarted.close()
    }
  })

  it('does not count what it had reported when it begins an epoch anew', async () => {
    const run = await client.createRun({ runId: 'anew', sampleCount: 60, policy: ucb(), pruneRate: 0.5, epochs: 3 })
    const before = await run.planEpoch(0)
    for await (const batch of before.batches(10)) {
      before.report(batch, batch.indices)
      if (batch.startPosition === 20) break
    }
    await run.flush()
    const again = await client.openRun('anew')
    await trainEpoch(await again.planEpoch(0), 15)
    await again.flush()
    expect([run.duplicateReports, again.duplicateReports]).toEqual([0, 0])
    expect((await again.finish()).progress).toMatchObject({ reports: 7, observations: 60, repeats: 30 })
  })
})

it('gives away two workers that have the same rank', async () => {
  const run = await client.createRun({ sampleCount: 60, policy: ucb(), pruneRate: 0.5, epochs: 3 })
  const workers = [run, await client.openRun(run.runId)]
  const plans = await Promise.all(workers.map((worker) => worker.planEpoch(0)))
  await Promise.all(plans.map((plan) => trainEpoch(plan, 10)))
  for (const worker of workers) await worker.flush()
  expect(workers.reduce((sum, { duplicateReports }) => sum + duplicateReports, 0)).toBe(6)
  expect((await run.finish()).progress.reports).toBe(6)
})

it('waits for a plan without end, or for months', async () => {
  const own = connect(sampler.addresses.grpc, {
    callTimeoutMs: Number.POSITIVE_INFINITY,
    giveUpAfterMs: Number.POSITIVE_INFINITY,
  })
  try {
    const run = await own.createRun({ sampleCount: 60, policy: ucb() })
    const plans = await Promise.all([
      run.planEpoch(0, { rank: 0, worldSize: 2, timeoutMs: Number.POSITIVE_INFINITY }),
      run.planEpoch(0, { rank: 1, worldSize: 2, timeoutMs: 30 * 24 * 3_600_000 }),
    ])
    expect(plans.map(({ positionCount }) => positionCount)).toEqual([30, 30])
  } finally {
    own.close()
  }
})

describe('runs', () => {
  it('are listed over pages in the order of their ids', async () => {
    const ids = Array.from({ length: 120 }, (_, i) => `page-${String(i).padStart(3, '0')}`)
    await Promise.all(ids.map((runId) => client.createRun({ runId, sampleCount: 1, policy: full() })))
    const listed: string[] = []
    for await (const { runId } of client.listRuns()) if (runId.startsWith('page-')) listed.push(runId)
    expect(listed).toEqual(ids)
  })

  it('read back their settings, defaults filled in', async () => {
    const run = await client.createRun({
      sampleCount: 50,
      policy: epsilonGreedy(),
      pruneRate: 0.2,
      pruneRateSchedule: [{ fromEpoch: 3, pruneRate: 0.4 }],
      epochs: 40,
      seed: 2n ** 64n - 1n,
      tailEpochs: 2,
      shardMode: 'drop',
      nonFinite: 'reject',
      metrics: ['margin', 'correct'],
    })
    const { settings, ...info } = await run.info()
    expect(settings).toEqual({
      sampleCount: 50,
      policy: { kind: 'epsilon_greedy', epsilon: 0.1, alpha: 0.8, initial: 'first_loss' },
      pruneRate: 0.2,
      pruneRateSchedule: [{ fromEpoch: 3, pruneRate: 0.4 }],
      epochs: 40,
      seed: 2n ** 64n - 1n,
      selectionPeriod: 2,
      warmupEpochs: 1,
      tailEpochs: 2,
      shardMode: 'drop',
      positionMultiple: 1,
      nonFinite: 'reject',
      metrics: ['margin', 'correct'],
      weights: 'off',
      weightCap: undefined,
      scoreSource: 'loss',
      batchLossMomentum: undefined,
      scoreLeftOut: false,
    })
    expect(info).toMatchObject({ runId: run.runId, state: 'active', nextEpoch: 0 })
    expect(info.updateTime.getTime()).toBeGreaterThanOrEqual(info.createTime.getTime())
  })
})

import { type Client, connect, type Plan, type Run, ucb } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { lossOf, type TrainedEpoch, trainEpoch } from './train.js'

let sampler: Sampler
const clients: Client[] = []

beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
})

afterAll(async () => {
  await sampler.stop()
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

/** A trainer's process: a client of its own, which ends without a word. */
function startTrainer(): Client {
  const client = connect(sampler.addresses.grpc)
  clients.push(client)
  return client
}

const settings = { sampleCount: 120, policy: ucb(), pruneRate: 0.5, epochs: 4, selectionPeriod: 1, seed: 8n }
const batchSize = 10
const batches = settings.sampleCount / batchSize

/** Trains on so many batches of a plan and flushes; their indices. */
async function trainBatches(run: Run, plan: Plan, count: number): Promise<number[]> {
  const indices: number[] = []
  let steps = 0
  for await (const batch of plan.batches(batchSize)) {
    if (steps++ === count) break
    indices.push(...batch.indices)
    plan.report(
      batch,
      Float32Array.from(batch.indices, (index) => lossOf(index, plan.epoch)),
    )
  }
  await run.flush()
  return indices
}

it('a trainer killed in mid-epoch goes on at its checkpoint; a sample that it reports again counts once', async () => {
  const twin = await startTrainer().createRun(settings)
  const undisturbed: TrainedEpoch[] = []
  for (let epoch = 0; epoch < 4; epoch++) undisturbed.push(await trainEpoch(await twin.planEpoch(epoch), batchSize))
  const { progress } = await twin.finish()

  const cuts = fc.record({ saved: fc.nat(batches), more: fc.nat(batches) })
  await fc.assert(
    fc.asyncProperty(cuts, async ({ saved, more }) => {
      const first = startTrainer()
      const before = await first.createRun(settings)
      const plan = await before.planEpoch(0)
      // Its checkpoint says: so many batches. Then it goes on for a while, and is killed.
      const known = await trainBatches(before, plan, Math.min(saved + more, batches))
      first.close()

      const run = await startTrainer().openRun(before.runId)
      expect(run.generation).toBe(1)
      const resumed = await run.planEpoch(0, { startPosition: saved * batchSize })
      expect(resumed.appliedSequence).toBe(known.length / batchSize)
      expect(resumed.digest).toBe(plan.digest)
      const rest = await trainBatches(run, resumed, batches)
      expect([...known.slice(0, saved * batchSize), ...rest]).toEqual(undisturbed[0]?.indices)
      expect(run.duplicateReports).toBe(0)
      const repeats = known.length - saved * batchSize
      const again = { reports: progress.reports + repeats / batchSize, repeats }
      expect((await run.info()).progress).toMatchObject({
        reports: batches + repeats / batchSize,
        observations: 120,
        repeats,
      })

      // The next plan waits for the right number of reports, and is the same.
      for (let epoch = 1; epoch < 4; epoch++) {
        expect(await trainEpoch(await run.planEpoch(epoch), batchSize)).toEqual(undisturbed[epoch])
      }
      expect((await run.finish()).progress).toEqual({ ...progress, ...again })
    }),
    { numRuns: 8 },
  )
})

it('of two ranks, one is killed in mid-epoch and goes on beside the other', async () => {
  const { runId } = await startTrainer().createRun(settings)
  const [staying, dying] = [startTrainer(), startTrainer()]
  const [other, killed] = [await staying.openRun(runId), await dying.openRun(runId)]
  const plans = await Promise.all([
    other.planEpoch(0, { rank: 0, worldSize: 2 }),
    killed.planEpoch(0, { rank: 1, worldSize: 2 }),
  ])
  await trainBatches(killed, plans[1], 4)
  dying.close()
  await trainBatches(other, plans[0], 6)

  const run = await startTrainer().openRun(runId)
  const resumed = await run.planEpoch(0, { rank: 1, worldSize: 2, startPosition: 20 })
  await trainBatches(run, resumed, 6)
  expect([resumed.appliedSequence, run.duplicateReports]).toEqual([4, 0])
  const next = await Promise.all([
    other.planEpoch(1, { rank: 0, worldSize: 2 }),
    run.planEpoch(1, { rank: 1, worldSize: 2 }),
  ])
  expect(next[0].digest).toBe(next[1].digest)
  expect((await run.info()).progress).toMatchObject({ reports: 14, observations: 120, repeats: 20 })
})

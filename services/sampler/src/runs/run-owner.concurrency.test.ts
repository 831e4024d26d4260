import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { positionCount } from '../core/plans/sharding.js'
import { rankPositions } from '../core/plans/testing/rank-positions.js'
import { makePlan } from './make-plan.js'
import type { Planner } from './ports.js'
import { Run } from './run.js'
import type { RunEvent } from './run-event.js'
import { RunOwner } from './run-owner.js'
import { resolveRunSpec } from './run-spec.js'
import { leaseOf, ownerParts } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'

const EPOCHS = 4
const BATCH = 3

const spec = resolveRunSpec(
  requestedSpec({
    sampleCount: 24,
    seed: 5n,
    totalEpochs: EPOCHS,
    selectionPeriod: 1,
    tailEpochs: 1,
    policy: { name: 'epsilon_greedy', settings: { epsilon: 0.25 } },
  }),
)

/** A loss that depends on sample and epoch alone, with ties. */
const lossOf = (index: number, epoch: number) => ((index * 7 + epoch * 3) % 5) / 2

interface Delays {
  /** Resolves when the scheduler says so. */
  wait(label: string): Promise<unknown>
}

/** Trains all ranks at once, each a loop of its own; journal, selections and every step of a rank take as long as `delays` says. */
async function train(worldSize: number, delays: Delays) {
  const events: RunEvent[] = []
  const run = new Run({ time: 0, runId: 'r', spec })
  const append = async (event: RunEvent) => {
    events.push(event)
    await delays.wait(event.type)
  }
  const planner: Planner = {
    make: async (work) => {
      await delays.wait('select')
      return makePlan(work)
    },
  }
  const owner = new RunOwner(run, leaseOf(append), ownerParts(planner))
  const digests: string[] = []
  const { signal } = new AbortController()
  const trainRank = async (rank: number) => {
    let lastSequence = 0
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      await delays.wait(`rank ${rank} asks`)
      // Reports are handed in without waiting; some are on their way when the next plan is asked for.
      const plan = await owner.planEpoch(
        { generation: 1, epoch, rank, worldSize, lastSequence, startPosition: 0 },
        Number.POSITIVE_INFINITY,
        signal,
      )
      expect(plan.epoch).toBe(epoch)
      digests[epoch] ??= plan.digest.toString('hex')
      expect(plan.digest.toString('hex')).toBe(digests[epoch])
      const positions = positionCount(plan.keptCount, plan.sharding)
      lastSequence = 0
      for (let start = 0; start < positions; start += BATCH) {
        const indices = rankPositions(plan.order, rank, plan.sharding, start, Math.min(start + BATCH, positions))
        const losses = Float32Array.from(indices, (index) => lossOf(index, epoch))
        lastSequence++
        const report = { generation: 1, epoch, rank, sequence: lastSequence, indices, losses }
        acks.push(owner.report(report))
        if (start % 2 === 0) acks.push(owner.report(report)) // as a client does whose acknowledgement was lost
        await delays.wait(`rank ${rank} trains`)
      }
    }
  }
  const acks: Promise<{ duplicate: boolean; observations: number }>[] = []
  await Promise.all(Array.from({ length: worldSize }, (_, rank) => trainRank(rank)))
  const counted = (await Promise.all(acks)).reduce((sum, { observations }) => sum + observations, 0)
  await owner.finish()
  const replayed = new Run({ time: 0, runId: 'r', spec })
  for (const event of events) replayed.apply(event)
  return { run, replayed, digests, counted }
}

describe('ranks that train at the same time', () => {
  it('get the same plans whatever is slow, and every loss is counted once', async () => {
    const undisturbed = await train(1, { wait: () => Promise.resolve() })
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, worldSize) => {
        const delays = { wait: (label: string) => scheduler.schedule(Promise.resolve(), label) }
        const { run, replayed, digests, counted } = await scheduler.waitFor(train(worldSize, delays))
        expect(digests).toEqual(undisturbed.digests)
        expect([...run.statistics.mean]).toEqual([...undisturbed.run.statistics.mean])
        expect([...run.statistics.variance]).toEqual([...undisturbed.run.statistics.variance])
        expect(run.progress.observations).toBe(undisturbed.run.progress.observations)
        expect(counted).toBe(run.progress.observations)
        expect([...replayed.statistics.mean]).toEqual([...run.statistics.mean])
        expect(replayed.plan?.digest).toEqual(run.plan?.digest)
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})

import { describe, expect, it, onTestFinished } from 'vitest'
import { KeptSet } from '../core/selection/kept-set.js'
import { defaultStatistics, SampleStatistics } from '../core/statistics/sample-statistics.js'
import { makePlan } from '../runs/make-plan.js'
import type { MadePlan, PlanWork } from '../runs/ports.js'
import { chosenBy } from './testing/chosen-by.js'
import { largeStatistics } from './testing/large-statistics.js'
import { WorkerPlanner } from './worker-planner.js'

const sharding = { worldSize: 2, shardMode: 'pad', positionMultiple: 1 } as const
const policy = { name: 'ucb', c: 1, alpha: 0.8, initial: 'first_loss' } as const
const large = largeStatistics()

const work = (epoch: number, statistics = large): PlanWork => ({
  statistics,
  seed: 7n,
  epoch,
  sharding,
  isScored: false,
  kept: chosenBy(policy, statistics.sampleCount >>> 1),
})

function plannerOf(size?: number): WorkerPlanner {
  const planner = new WorkerPlanner(size)
  onTestFinished(() => planner.close())
  return planner
}

const shown = ({ keptSet, order, digest, owners }: MadePlan) => ({
  kept: keptSet && [...keptSet.indices()],
  order: [...order],
  digest: digest.toString('hex'),
  owners: owners && [...owners],
})

describe('WorkerPlanner', () => {
  it('makes the plan of a large run in a thread', async () => {
    const planner = plannerOf()
    expect(shown(await planner.make(work(1)))).toEqual(shown(makePlan(work(1))))
    const reused = { ...work(2), kept: KeptSet.of([3, 40_000], 40_003) }
    const made = await planner.make(reused)
    expect(shown(made)).toEqual(shown(makePlan(reused)))
    expect(made.keptSet).toBe(reused.kept)
    expect((await planner.make({ ...work(3), kept: undefined })).keptSet).toBeUndefined()
  })

  it('makes the plan of a small run at once, without one', async () => {
    const small = new SampleStatistics(100, defaultStatistics)
    expect(small.memory).toBeUndefined()
    const planner = plannerOf(0)
    expect(shown(await planner.make(work(1, small)))).toEqual(shown(makePlan(work(1, small))))
  })

  it.each([1, 3])('makes many at once with %d threads, first come, first served', async (size) => {
    const planner = plannerOf(size)
    const done: number[] = []
    // Of as many runs: one has one selection under way at most.
    const works = Array.from({ length: 9 }, (_, epoch) => work(epoch, largeStatistics()))
    const plans = await Promise.all(
      works.map((each, epoch) =>
        planner.make(each).then((plan) => {
          done.push(epoch)
          return plan
        }),
      ),
    )
    plans.forEach((plan, epoch) => {
      expect(plan.digest).toEqual(makePlan(work(epoch)).digest)
    })
    if (size === 1) expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('goes on after a thread died, and tells who waited for it', async () => {
    const planner = plannerOf(1)
    // A memory that is too small for what it is said to hold.
    const { memory } = largeStatistics()
    const broken = { memory, sampleCount: 50_000_000, metrics: [] } as unknown as SampleStatistics
    const failing = planner.make(work(1, broken))
    const next = planner.make(work(2))
    await expect(failing).rejects.toThrow()
    expect((await next).digest).toEqual(makePlan(work(2)).digest)
  })

  it('takes no thread again that ended while it had no work', async () => {
    const planner = plannerOf(1)
    await planner.make(work(1))
    const idle = planner.idleThreads
    await Promise.all(idle.map((thread) => thread.end()))
    expect(idle).toHaveLength(1)
    expect((await planner.make(work(2))).digest).toEqual(makePlan(work(2)).digest)
  })

  it('refuses what is not done when it is closed, and all that comes later', async () => {
    const planner = plannerOf(1)
    const waiting = [planner.make(work(1)), planner.make(work(2))].map((made) => expect(made).rejects.toThrow())
    await planner.close()
    await Promise.all(waiting)
    await expect(planner.make(work(3))).rejects.toThrow('the planner is closed')
  })
})

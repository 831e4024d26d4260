import { describe, expect, it } from 'vitest'
import type { PolicyChoice } from '../core/policies/registry.js'
import { KeptSet } from '../core/selection/kept-set.js'
import type { SampleStatistics } from '../core/statistics/sample-statistics.js'
import { makePlan } from '../runs/make-plan.js'
import type { MadePlan, PlanWork } from '../runs/ports.js'
import { type PlanJob, runPlanJob } from './plan-job.js'
import { largeStatistics } from './testing/large-statistics.js'

const statistics = largeStatistics()
const sharding = { worldSize: 1, shardMode: 'pad', positionMultiple: 1 } as const

function jobOf({ statistics: of, ...work }: PlanWork): PlanJob {
  const { memory, sampleCount, metrics } = of
  return { memory: memory as NonNullable<typeof memory>, sampleCount, metricCount: metrics.length, ...work }
}

/** What can be compared: a kept set by what is in it. */
const comparable = ({ keptSet, ...arrays }: Pick<MadePlan, 'order' | 'digest' | 'owners'> & { keptSet: unknown }) => ({
  ...arrays,
  order: [...arrays.order],
  kept: keptSet && [...new KeptSet((keptSet as KeptSet).bits, (keptSet as KeptSet).count).indices()],
})

const work = (given: Partial<PlanWork> & { statistics?: SampleStatistics } = {}): PlanWork => ({
  statistics,
  seed: 2n ** 63n + 5n,
  epoch: 3,
  sharding,
  kept: undefined,
  ...given,
})

const alpha = { alpha: 0.8, initial: 'first_loss' } as const
const policies: PolicyChoice[] = [
  { name: 'full' },
  { name: 'static_random' },
  { name: 'random' },
  { name: 'epsilon_greedy', epsilon: 0.3, ...alpha },
  { name: 'epsilon_greedy', epsilon: 0, ...alpha },
  { name: 'ucb', c: 1.5, ...alpha },
  { name: 'order_dp', poolRate: 0 },
  { name: 'order_dp', poolRate: 0.9 },
]

describe.each([
  ['by the kernels', true],
  ['by their twins', false],
])('runPlanJob %s', (_, withKernels) => {
  it.each(policies)('makes the plan that plain TypeScript makes: %j', (policy) => {
    for (const keptCount of policy.name === 'full' ? [40_003] : [0, 1, 12_345, 40_003]) {
      const asked = work({ kept: { policy, keptCount } })
      expect(comparable(runPlanJob(jobOf(asked), withKernels))).toEqual(comparable(makePlan(asked)))
    }
  })

  it('orders what was kept before, and everything, for any number of ranks', () => {
    const kept = KeptSet.of([0, 1, 4_711, 39_999, 40_002], 40_003)
    for (const keptSet of [kept, undefined]) {
      for (const worldSize of [1, 2, 5]) {
        for (const shardMode of ['pad', 'drop'] as const) {
          const asked = work({ kept: keptSet, sharding: { worldSize, shardMode, positionMultiple: 2 } })
          expect(comparable(runPlanJob(jobOf(asked), withKernels))).toEqual(comparable(makePlan(asked)))
        }
      }
    }
  })

  it('leaves the statistics as they are', () => {
    const [before, fresh] = [largeStatistics(), largeStatistics()]
    runPlanJob(
      jobOf(work({ statistics: before, kept: { policy: policies[5] as PolicyChoice, keptCount: 9 } })),
      withKernels,
    )
    for (const name of ['mean', 'variance', 'lastLoss', 'observations', 'timesKept'] as const) {
      expect([...before[name]]).toEqual([...fresh[name]])
    }
  })
})

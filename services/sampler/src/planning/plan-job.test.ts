import { describe, expect, it } from 'vitest'
import { neededMetrics, ownColumns, type PolicyChoice, resolvePolicy } from '../core/policies/registry.js'
import { KeptSet } from '../core/selection/kept-set.js'
import type { SampleStatistics } from '../core/statistics/sample-statistics.js'
import { makePlan } from '../runs/make-plan.js'
import type { MadePlan, PlanWork } from '../runs/ports.js'
import { type PlanJob, partsOf, runPlanJob } from './plan-job.js'
import { chosenBy } from './testing/chosen-by.js'
import { largeStatistics } from './testing/large-statistics.js'

const statistics = largeStatistics()
const sharding = { worldSize: 1, shardMode: 'pad', positionMultiple: 1 } as const

function jobOf({ statistics: of, kept, ...work }: PlanWork): PlanJob {
  const { memory, sampleCount, metrics } = of
  const job = { memory: memory as NonNullable<typeof memory>, sampleCount, metricCount: metrics.length }
  return { ...job, ...work, kept: partsOf(kept) }
}

/** What can be compared: a kept set by what is in it. */
const comparable = ({ keptSet, ...made }: MadePlan) => ({
  ...made,
  order: [...made.order],
  kept: keptSet && [...keptSet.indices()],
  keptWeights: keptSet?.weights,
})

const work = (given: Partial<PlanWork> & { statistics?: SampleStatistics } = {}): PlanWork => ({
  statistics,
  seed: 2n ** 63n + 5n,
  epoch: 3,
  sharding,
  isScored: false,
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

const others = (
  [
    ['epsilon_greedy', {}],
    ['info_batch', {}],
    ['rs2', {}],
    ['importance', { exponent: 0.5 }],
    ['selective_backprop', {}],
    ['custom_score', {}],
    ['custom_score', { draw: true }],
    ['seta', {}],
    ['repb', {}],
    ['kakurenbo', {}],
    ['ies', { tau: 0.5 }],
    ['static_score', {}],
    ['static_score', { metric: 'el2n' }],
    ['backlog', {}],
  ] as const
).map(([name, settings]) => resolvePolicy(name, settings).choice)

describe.each([
  ['by the kernels', true],
  ['by their twins', false],
])('runPlanJob %s', (_, withKernels) => {
  it.each(policies)('makes the plan that plain TypeScript makes: %j', (policy) => {
    for (const keptCount of policy.name === 'full' ? [40_003] : [0, 1, 12_345, 40_003]) {
      const asked = work({ kept: chosenBy(policy, keptCount) })
      expect(comparable(runPlanJob(jobOf(asked), withKernels))).toEqual(comparable(makePlan(asked)))
    }
  })

  it.each(others)('makes the plan with weights that plain TypeScript makes: $name', (policy) => {
    const columnNames = [...neededMetrics(policy), ...(ownColumns(policy)?.names ?? [])]
    const statistics = largeStatistics(40_003, columnNames.length)
    statistics.metrics.forEach((column, place) => {
      column.forEach((_, i) => {
        if (i % 5 > 0) column[i] = ((i * 7907) % (90 + place)) / (i % 2 === 0 ? 90 : -1000)
      })
    })
    const kept = chosenBy(policy, 12_345, { pruneRate: 0.3, columnNames, weights: { cap: 2.5 }, selections: 2 })
    const asked = work({ statistics, kept, sharding: { ...sharding, worldSize: 2 }, isScored: true })
    const made = runPlanJob(jobOf(asked), withKernels)
    expect(comparable(made)).toEqual(comparable(makePlan(asked)))
    expect(made.weights).toHaveLength(made.order.length)
    expect(made.summary?.overlap).toBe(0)
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
    runPlanJob(jobOf(work({ statistics: before, kept: chosenBy(policies[5] as PolicyChoice, 9) })), withKernels)
    for (const name of ['mean', 'variance', 'lastLoss', 'observations', 'timesKept'] as const) {
      expect([...before[name]]).toEqual([...fresh[name]])
    }
  })
})

import { Run, type RunSpec, RunState } from '@keepset/proto'
import { describe, expect, it } from 'vitest'
import { InternalError, InvalidArgumentError } from './errors.js'
import { runFromWire, specToWire } from './mapping.js'
import { epsilonGreedy, full, orderDp, type Policy, random, staticRandom, ucb } from './policies.js'
import type { CreateRunOptions } from './run-settings.js'

describe('specToWire', () => {
  it('leaves unset what has a default of its own in the sampler', () => {
    const spec = specToWire({ sampleCount: 7, policy: ucb() })
    expect(spec).toMatchObject({ sampleCount: 7, seed: 0n, pruneRate: 0, pruneRateSchedule: [], tailEpochs: 0 })
    expect(spec.totalEpochs).toBeUndefined()
    expect(spec.selectionPeriod).toBeUndefined()
    expect(spec.warmupEpochs).toBeUndefined()
    expect(spec.policy).toMatchObject({ $case: 'ucb', value: { c: undefined, alpha: undefined } })
  })

  it.each([
    ['spec.sample_count', { sampleCount: 2 ** 32 }],
    ['spec.sample_count', { sampleCount: Number.NaN }],
    ['spec.seed', { seed: 0.5 }],
    ['spec.seed', { seed: 2 ** 53 }],
    ['spec.selection_period', { selectionPeriod: -1 }],
    ['spec.prune_rate_schedule[0].from_epoch', { pruneRateSchedule: [{ fromEpoch: -1, pruneRate: 0 }] }],
    ['spec.non_finite', { nonFinite: 'toString' as 'ignore' }],
    ['spec.ucb.initial', { policy: ucb({ initial: 'last' as 'zero' }) }],
    ['spec.policy', { policy: undefined as unknown as Policy }],
  ] satisfies [string, Partial<CreateRunOptions>][])('refuses what the wire cannot hold: %s', (field, wrong) => {
    const spec = () => specToWire({ sampleCount: 1, policy: full(), ...wrong })
    expect(spec).toThrow(InvalidArgumentError)
    expect(spec).toThrow(expect.objectContaining({ fieldViolations: [expect.objectContaining({ field })] }))
  })
})

describe('runFromWire', () => {
  const time = { seconds: 1_700_000_000n, nanos: 5_000_000 }
  const wire = (spec: RunSpec) =>
    Run.fromPartial({
      runId: 'r',
      spec,
      state: RunState.RUN_STATE_ACTIVE,
      generation: 4,
      epochStarts: [3, 5],
      progress: { selections: 2 },
      createTime: time,
      updateTime: time,
    })

  it.each([
    full(),
    staticRandom(),
    random(),
    epsilonGreedy({ epsilon: 0.3, initial: 'zero' }),
    ucb({ c: 0, alpha: 0.1 }),
    orderDp(),
    orderDp({ poolRate: 0.7 }),
  ])('reads back what was asked for: $kind', (policy) => {
    const asked = {
      sampleCount: 9,
      policy,
      pruneRate: 0.25,
      pruneRateSchedule: [{ fromEpoch: 2, pruneRate: 0.5 }],
      epochs: 12,
      seed: 3n,
      selectionPeriod: 2,
      warmupEpochs: 0,
      tailEpochs: 1,
      shardMode: 'drop',
      positionMultiple: 4,
      nonFinite: 'reject',
      metrics: ['margin', 'correct'],
    } as const
    const { settings, createTime, ...info } = runFromWire(wire(specToWire(asked)))
    const initial = 'initial' in policy ? policy.initial : 'first_loss'
    const hasStatistics = policy.kind === 'ucb' || policy.kind === 'epsilon_greedy'
    expect(settings).toEqual({ ...asked, policy: hasStatistics ? { ...policy, initial } : policy })
    expect(info).toMatchObject({ generation: 4, epochStarts: [3, 5], progress: { selections: 2 } })
    expect(createTime.toISOString()).toBe('2023-11-14T22:13:20.005Z')
  })

  it('does not guess what the sampler left out', () => {
    expect(() => runFromWire(undefined)).toThrow(InternalError)
    expect(() => runFromWire(wire(specToWire({ sampleCount: 1, policy: full() })))).toThrow(InternalError)
  })
})

import {
  PlanEpochRequest,
  PlanHeader,
  PlanReason,
  Run,
  type RunSpec,
  RunState,
  StaticMetric,
  ScoreSource as WireSource,
  WeightsMode as WireWeights,
} from '@keepset/proto'
import { describe, expect, it } from 'vitest'
import { InternalError, InvalidArgumentError } from './errors.js'
import { planFromWire, runFromWire, specToWire } from './mapping.js'
import {
  backlog,
  customScore,
  epsilonGreedy,
  full,
  ies,
  importance,
  infoBatch,
  kakurenbo,
  orderDp,
  type Policy,
  random,
  repb,
  rs2,
  selectiveBackprop,
  seta,
  staticRandom,
  staticScore,
  ucb,
} from './policies.js'
import type { CreateRunOptions } from './run-settings.js'

describe('specToWire', () => {
  it('leaves unset what has a default of its own in the sampler', () => {
    const spec = specToWire({ sampleCount: 7, policy: ucb() })
    expect(spec).toMatchObject({ sampleCount: 7, seed: 0n, pruneRate: 0, pruneRateSchedule: [] })
    expect(spec.totalEpochs).toBeUndefined()
    expect(spec.selectionPeriod).toBeUndefined()
    expect(spec.warmupEpochs).toBeUndefined()
    expect(spec.tailEpochs).toBeUndefined()
    expect(spec.weights).toBe(WireWeights.WEIGHTS_MODE_UNSPECIFIED)
    expect(spec.weightCap).toBeUndefined()
    expect(spec.batchLossMomentum).toBeUndefined()
    expect(spec.scoreLeftOut).toBeUndefined()
    expect(spec.policy).toMatchObject({ $case: 'ucb', value: { c: undefined, alpha: undefined } })
  })

  it('says what was asked for, where that is the default of another policy too', () => {
    const asked = { weights: 'off', scoreSource: 'loss', tailEpochs: 0, scoreLeftOut: false } as const
    expect(specToWire({ sampleCount: 7, policy: infoBatch(), ...asked })).toMatchObject({
      weights: WireWeights.WEIGHTS_MODE_OFF,
      scoreSource: WireSource.SCORE_SOURCE_LOSS,
      tailEpochs: 0,
      scoreLeftOut: false,
    })
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
    ['spec.tail_epochs', { tailEpochs: 0.5 }],
    ['spec.weights', { weights: 'yes' as 'on' }],
    ['spec.score_source', { scoreSource: 'mean' as 'loss' }],
    ['spec.seta.groups', { policy: seta({ groups: 2.5 }) }],
    ['spec.static_score.metric', { policy: staticScore({ metric: 'margin' as 'el2n' }) }],
    ['spec.static_score.observe_epochs', { policy: staticScore({ metric: 'el2n', observeEpochs: -1 }) }],
    ['spec.policy', { policy: undefined as unknown as Policy }],
  ] satisfies [string, Partial<CreateRunOptions>][])('refuses what the wire cannot hold: %s', (field, wrong) => {
    const spec = () => specToWire({ sampleCount: 1, policy: full(), ...wrong })
    expect(spec).toThrow(InvalidArgumentError)
    expect(spec).toThrow(expect.objectContaining({ fieldViolations: [expect.objectContaining({ field })] }))
  })
})

describe('runFromWire', () => {
  const time = { seconds: 1_700_000_000n, nanos: 5_000_000 }
  /** A run of this spec after its way over the wire. */
  const wire = (spec: RunSpec) => {
    const run = Run.fromPartial({
      runId: 'r',
      spec,
      state: RunState.RUN_STATE_ACTIVE,
      generation: 4,
      epochStarts: [3, 5],
      progress: { selections: 2, saving: -0.5, scored: 7n, samplesPlannedElsewhere: 20n },
      createTime: time,
      updateTime: time,
    })
    return Run.decode(Run.encode(run).finish())
  }

  it.each([
    full(),
    staticRandom(),
    random(),
    epsilonGreedy({ epsilon: 0.3, initial: 'zero' }),
    ucb({ c: 0, alpha: 0.1 }),
    orderDp(),
    orderDp({ poolRate: 0.7 }),
    infoBatch(),
    infoBatch({ r: 0.25 }),
    rs2(),
    importance(),
    importance({ exponent: 2, uniformShare: 0 }),
    selectiveBackprop(),
    selectiveBackprop({ exponent: 0.5 }),
    customScore({ draw: false }),
    customScore({ draw: true, uniformShare: 0.2 }),
    seta(),
    seta({ dropRate: 0, groups: 7, window: 0.5 }),
    repb(),
    repb({ rho: 0.75 }),
    kakurenbo(),
    kakurenbo({ confidence: 0.5 }),
    ies(),
    ies({ tau: 0 }),
    staticScore({ metric: 'forgetting', scoresFrom: [] }),
    staticScore({ metric: 'el2n', observeEpochs: 5, scoresFrom: [] }),
    staticScore({ metric: 'grand', scoresFrom: ['a', 'b'] }),
    backlog(),
    backlog({ alpha: 0.5, initial: 'zero' }),
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
      weights: 'on',
      weightCap: 8.5,
      scoreSource: 'batch_loss',
      batchLossMomentum: 0.25,
      scoreLeftOut: true,
    } as const
    const { settings, createTime, ...info } = runFromWire(wire(specToWire(asked)))
    const initial = 'initial' in policy ? policy.initial : 'first_loss'
    const hasStatistics = ['ucb', 'epsilon_greedy', 'backlog'].includes(policy.kind)
    expect(settings).toEqual({ ...asked, policy: hasStatistics ? { ...policy, initial } : policy })
    const progress = { selections: 2, saving: -0.5, scored: 7, samplesPlannedElsewhere: 20 }
    expect(info).toMatchObject({ generation: 4, epochStarts: [3, 5], progress })
    expect(createTime.toISOString()).toBe('2023-11-14T22:13:20.005Z')
  })

  const filledIn = { selectionPeriod: 1, warmupEpochs: 1, tailEpochs: 0, positionMultiple: 1, scoreLeftOut: false }

  it('reads what is switched off, and what is not limited', () => {
    const { settings } = runFromWire(wire(specToWire({ sampleCount: 1, policy: customScore(), ...filledIn })))
    expect(settings).toMatchObject({ weights: 'off', scoreSource: 'loss', scoreLeftOut: false, tailEpochs: 0 })
    expect(settings).toMatchObject({ weightCap: undefined, batchLossMomentum: undefined })
    expect(settings.policy).toEqual({ kind: 'custom_score', draw: false })
  })

  it.each(Object.keys(filledIn))('does not guess %s when the sampler left it out', (name) => {
    const without = { ...filledIn, [name]: undefined }
    expect(() => runFromWire(wire(specToWire({ sampleCount: 1, policy: full(), ...without })))).toThrow(InternalError)
  })

  it('does not take a run that lacks what it must have', () => {
    expect(() => runFromWire(undefined)).toThrow(InternalError)
    const spec = specToWire({ sampleCount: 1, policy: full(), ...filledIn })
    expect(() => runFromWire(wire({ ...spec, policy: undefined }))).toThrow(InternalError)
    const value = { metric: StaticMetric.STATIC_METRIC_UNSPECIFIED, scoresFrom: [] }
    expect(() => runFromWire(wire({ ...spec, policy: { $case: 'staticScore', value } }))).toThrow(InternalError)
  })
})

describe('planFromWire', () => {
  const read = (request: Partial<PlanEpochRequest>, header: Partial<PlanHeader>) =>
    planFromWire(
      PlanEpochRequest.fromPartial({ epoch: 2, ...request }),
      PlanHeader.fromPartial({ epoch: 2, reason: PlanReason.PLAN_REASON_SELECTED, ...header }),
    )

  it('reads weights, what is to be scored, and the factor of the learning rate', () => {
    expect(read({}, { hasWeights: true, scoreCount: 5, learningRateFactor: 1.25 })).toMatchObject({
      hasWeights: true,
      scoreCount: 5,
      learningRateFactor: 1.25,
    })
  })

  it('leaves the learning rate alone where nothing is said of it', () => {
    expect(read({}, {}).learningRateFactor).toBe(1)
  })

  it.each([
    [false, 'what is to be scored when it was asked for what is to be trained on'],
    [true, 'what is to be trained on when it was asked for what is to be scored'],
  ])('does not take the one for the other: scoreOnly %s', (scoreOnly, said) => {
    expect(read({ scoreOnly }, { scoreOnly }).epoch).toBe(2)
    expect(() => read({ scoreOnly }, { scoreOnly: !scoreOnly })).toThrow(said)
  })
})

import {
  InitialStatistics as WireInitial,
  type RunSpec as WireSpec,
  StaticMetric as WireStaticMetric,
} from '@keepset/proto'
import { checkU32, invalid, oneOf } from './checks.js'
import type { MovingStatisticsOptions, Policy, StaticMetric, StaticScoreOptions } from './policies.js'
import { unreadable } from './unreadable.js'

type WirePolicy = NonNullable<WireSpec['policy']>

const initialToWire = {
  first_loss: WireInitial.INITIAL_STATISTICS_FIRST_LOSS,
  zero: WireInitial.INITIAL_STATISTICS_ZERO,
} as const

const staticMetricToWire = {
  forgetting: WireStaticMetric.STATIC_METRIC_FORGETTING,
  el2n: WireStaticMetric.STATIC_METRIC_EL2N,
  grand: WireStaticMetric.STATIC_METRIC_GRAND,
} as const

const staticMetrics: Readonly<Record<WireStaticMetric, StaticMetric | undefined>> = {
  [WireStaticMetric.STATIC_METRIC_UNSPECIFIED]: undefined,
  [WireStaticMetric.STATIC_METRIC_FORGETTING]: 'forgetting',
  [WireStaticMetric.STATIC_METRIC_EL2N]: 'el2n',
  [WireStaticMetric.STATIC_METRIC_GRAND]: 'grand',
}

/** A policy as the wire has it. What does not fit the wire is refused here; ranges are the sampler's to check. */
export function policyToWire(policy: Policy): WirePolicy {
  switch (policy?.kind) {
    case 'full':
      return { $case: 'full', value: {} }
    case 'static_random':
      return { $case: 'staticRandom', value: {} }
    case 'random':
      return { $case: 'random', value: {} }
    case 'epsilon_greedy':
      return { $case: 'epsilonGreedy', value: { epsilon: policy.epsilon, ...statisticsToWire(policy.kind, policy) } }
    case 'ucb':
      return { $case: 'ucb', value: { c: policy.c, ...statisticsToWire(policy.kind, policy) } }
    case 'order_dp':
      return { $case: 'orderDp', value: { poolRate: policy.poolRate } }
    case 'info_batch':
      return { $case: 'infoBatch', value: { r: policy.r } }
    case 'rs2':
      return { $case: 'rs2', value: {} }
    case 'importance':
      return { $case: 'importance', value: { exponent: policy.exponent, uniformShare: policy.uniformShare } }
    case 'selective_backprop':
      return { $case: 'selectiveBackprop', value: { exponent: policy.exponent } }
    case 'custom_score':
      return { $case: 'customScore', value: { draw: policy.draw ?? false, uniformShare: policy.uniformShare } }
    case 'seta': {
      const groups = optionalU32('spec.seta.groups', policy.groups)
      return { $case: 'seta', value: { dropRate: policy.dropRate, groups, window: policy.window } }
    }
    case 'repb':
      return { $case: 'repb', value: { rho: policy.rho } }
    case 'kakurenbo':
      return { $case: 'kakurenbo', value: { confidence: policy.confidence } }
    case 'ies':
      return { $case: 'ies', value: { tau: policy.tau } }
    case 'static_score':
      return { $case: 'staticScore', value: staticScoreToWire(policy) }
    case 'backlog':
      return { $case: 'backlog', value: statisticsToWire(policy.kind, policy) }
    default:
      throw invalid('spec.policy', "is required: what one of the library's functions makes, for example ucb()")
  }
}

function statisticsToWire(policy: string, { alpha, initial = 'first_loss' }: MovingStatisticsOptions) {
  return { alpha, initial: oneOf(`spec.${policy}.initial`, initialToWire, initial) }
}

function staticScoreToWire({ metric, observeEpochs, scoresFrom }: StaticScoreOptions) {
  return {
    metric: oneOf('spec.static_score.metric', staticMetricToWire, metric),
    observeEpochs: optionalU32('spec.static_score.observe_epochs', observeEpochs),
    scoresFrom: [...(scoresFrom ?? [])],
  }
}

function optionalU32(field: string, value: number | undefined): number | undefined {
  return value === undefined ? undefined : checkU32(field, value)
}

/** A policy as the wire has it, made the library's own. */
export function policyFromWire(policy: WireSpec['policy']): Policy {
  switch (policy?.$case) {
    case 'full':
      return { kind: 'full' }
    case 'staticRandom':
      return { kind: 'static_random' }
    case 'random':
      return { kind: 'random' }
    case 'epsilonGreedy':
      return {
        kind: 'epsilon_greedy',
        ...given({ epsilon: policy.value.epsilon }),
        ...statisticsFromWire(policy.value),
      }
    case 'ucb':
      return { kind: 'ucb', ...given({ c: policy.value.c }), ...statisticsFromWire(policy.value) }
    case 'orderDp':
      return { kind: 'order_dp', ...given({ poolRate: policy.value.poolRate || undefined }) }
    case 'infoBatch':
      return { kind: 'info_batch', ...given({ r: policy.value.r }) }
    case 'rs2':
      return { kind: 'rs2' }
    case 'importance':
      return { kind: 'importance', ...given(policy.value) }
    case 'selectiveBackprop':
      return { kind: 'selective_backprop', ...given(policy.value) }
    case 'customScore':
      return { kind: 'custom_score', ...given(policy.value) }
    case 'seta':
      return { kind: 'seta', ...given(policy.value) }
    case 'repb':
      return { kind: 'repb', ...given(policy.value) }
    case 'kakurenbo':
      return { kind: 'kakurenbo', ...given(policy.value) }
    case 'ies':
      return { kind: 'ies', ...given(policy.value) }
    case 'staticScore': {
      const { metric: wireMetric, observeEpochs, scoresFrom } = policy.value
      const metric = staticMetrics[wireMetric]
      if (metric === undefined) throw unreadable(`a policy static_score with the metric ${wireMetric}`)
      return { kind: 'static_score', metric, ...given({ observeEpochs }), scoresFrom }
    }
    case 'backlog':
      return { kind: 'backlog', ...statisticsFromWire(policy.value) }
    default:
      throw unreadable('a policy that this library does not know')
  }
}

function statisticsFromWire(value: { alpha?: number | undefined; initial: WireInitial }): MovingStatisticsOptions {
  const initial = value.initial === WireInitial.INITIAL_STATISTICS_ZERO ? 'zero' : 'first_loss'
  return { ...given({ alpha: value.alpha }), initial }
}

/** Leaves out what is undefined, so that optional fields are absent. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}

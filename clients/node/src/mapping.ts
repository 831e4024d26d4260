import {
  type PlanEpochRequest,
  type PlanHeader,
  RunState,
  type Timestamp,
  InitialStatistics as WireInitial,
  NonFiniteMode as WireNonFinite,
  PlanReason as WireReason,
  type Run as WireRun,
  ShardMode as WireShard,
  RunSpec as WireSpec,
} from '@keepset/proto'
import { checkU32, checkU64, invalid } from './checks.js'
import { InternalError } from './errors.js'
import type { PlanFacts, PlanReason } from './plan.js'
import type { MovingStatisticsOptions, Policy } from './policies.js'
import type { CreateRunOptions, RunInfo, RunSettings } from './run-settings.js'

const initialToWire = {
  first_loss: WireInitial.INITIAL_STATISTICS_FIRST_LOSS,
  zero: WireInitial.INITIAL_STATISTICS_ZERO,
} as const

const shardToWire = { pad: WireShard.SHARD_MODE_PAD, drop: WireShard.SHARD_MODE_DROP } as const

const nonFiniteToWire = {
  ignore: WireNonFinite.NON_FINITE_MODE_IGNORE,
  reject: WireNonFinite.NON_FINITE_MODE_REJECT,
} as const

const reasons: Readonly<Record<WireReason, PlanReason | undefined>> = {
  [WireReason.PLAN_REASON_UNSPECIFIED]: undefined,
  [WireReason.PLAN_REASON_WARMUP]: 'warmup',
  [WireReason.PLAN_REASON_SELECTED]: 'selected',
  [WireReason.PLAN_REASON_REUSED]: 'reused',
  [WireReason.PLAN_REASON_TAIL]: 'tail',
}

/** Settings as the wire has them. What does not fit the wire is refused here; ranges are the sampler's to check. */
export function specToWire(options: CreateRunOptions): WireSpec {
  const u32 = (name: string, value: number | undefined) =>
    value === undefined ? undefined : checkU32(`spec.${name}`, value)
  return WireSpec.fromPartial({
    sampleCount: checkU32('spec.sample_count', options.sampleCount),
    seed: checkU64('spec.seed', options.seed ?? 0n),
    pruneRate: options.pruneRate ?? 0,
    pruneRateSchedule: (options.pruneRateSchedule ?? []).map(({ fromEpoch, pruneRate }, index) => ({
      fromEpoch: checkU32(`spec.prune_rate_schedule[${index}].from_epoch`, fromEpoch),
      pruneRate,
    })),
    totalEpochs: u32('total_epochs', options.epochs),
    selectionPeriod: u32('selection_period', options.selectionPeriod),
    warmupEpochs: u32('warmup_epochs', options.warmupEpochs),
    tailEpochs: u32('tail_epochs', options.tailEpochs) ?? 0,
    shardMode: oneOf('spec.shard_mode', shardToWire, options.shardMode ?? 'pad'),
    positionMultiple: u32('position_multiple', options.positionMultiple),
    nonFinite: oneOf('spec.non_finite', nonFiniteToWire, options.nonFinite ?? 'ignore'),
    metrics: [...(options.metrics ?? [])],
    policy: policyToWire(options.policy),
  })
}

function policyToWire(policy: Policy): NonNullable<WireSpec['policy']> {
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
    default:
      throw invalid(
        'spec.policy',
        'is required: one of full(), staticRandom(), random(), epsilonGreedy(), ucb(), orderDp()',
      )
  }
}

function statisticsToWire(policy: string, { alpha, initial = 'first_loss' }: MovingStatisticsOptions) {
  return { alpha, initial: oneOf(`spec.${policy}.initial`, initialToWire, initial) }
}

function oneOf<K extends string, V>(field: string, table: Readonly<Record<K, V>>, key: K): V {
  if (Object.hasOwn(table, key)) return table[key]
  throw invalid(field, `must be one of '${Object.keys(table).join("', '")}', got '${key}'`)
}

/** A run as the wire has it, made the library's own. */
export function runFromWire(run: WireRun | undefined): RunInfo {
  if (!run?.spec || !run.progress) throw unreadable('a run without its spec or its progress')
  const { progress } = run
  return {
    runId: run.runId,
    state: run.state === RunState.RUN_STATE_FINISHED ? 'finished' : 'active',
    nextEpoch: run.nextEpoch,
    generation: run.generation,
    epochStarts: run.epochStarts,
    settings: settingsFromWire(run.spec),
    progress: {
      epochsPlanned: progress.epochsPlanned,
      samplesPlanned: Number(progress.samplesPlanned),
      reports: Number(progress.reports),
      observations: Number(progress.observations),
      nonFinite: Number(progress.nonFinite),
      repeats: Number(progress.repeats),
      saving: progress.saving,
      selections: progress.selections,
    },
    createTime: dateFromWire(run.createTime),
    updateTime: dateFromWire(run.updateTime),
  }
}

function settingsFromWire(spec: WireSpec): RunSettings {
  const { selectionPeriod, warmupEpochs, positionMultiple } = spec
  if (selectionPeriod === undefined || warmupEpochs === undefined || positionMultiple === undefined) {
    throw unreadable('a spec whose defaults are not filled in')
  }
  return {
    sampleCount: spec.sampleCount,
    policy: policyFromWire(spec.policy),
    pruneRate: spec.pruneRate,
    pruneRateSchedule: spec.pruneRateSchedule,
    epochs: spec.totalEpochs,
    seed: spec.seed,
    selectionPeriod,
    warmupEpochs,
    tailEpochs: spec.tailEpochs,
    shardMode: spec.shardMode === WireShard.SHARD_MODE_DROP ? 'drop' : 'pad',
    positionMultiple,
    nonFinite: spec.nonFinite === WireNonFinite.NON_FINITE_MODE_REJECT ? 'reject' : 'ignore',
    metrics: spec.metrics,
  }
}

function policyFromWire(policy: WireSpec['policy']): Policy {
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

function dateFromWire(time: Timestamp | undefined): Date {
  if (!time) throw unreadable('a run without its times')
  return new Date(Number(time.seconds) * 1000 + time.nanos / 1e6)
}

/** A plan's header as the wire has it, checked against what was asked for. */
export function planFromWire(request: PlanEpochRequest, header: PlanHeader): PlanFacts {
  const { epoch, rank, worldSize = 1, generation } = request
  if (header.epoch !== epoch) throw unreadable(`the plan of epoch ${header.epoch} when it was asked for epoch ${epoch}`)
  if (generation !== 0 && header.generation !== generation) {
    throw unreadable(`a plan of generation ${header.generation} when it was asked for one of generation ${generation}`)
  }
  const reason = reasons[header.reason]
  if (reason === undefined) throw unreadable(`a plan with the reason ${header.reason}`)
  return {
    epoch,
    rank,
    worldSize,
    keptCount: header.keptCount,
    sampleCount: header.sampleCount,
    positionCount: header.positionCount,
    saving: header.saving,
    selectionEpoch: header.selectionEpoch,
    reason,
    digest: header.digest.toString('hex'),
    appliedSequence: header.appliedSequence,
  }
}

/** The error of an answer that no sampler of this version gives. */
export function unreadable(what: string): InternalError {
  return new InternalError(
    'INTERNAL',
    `The sampler sent ${what}. Use versions of the sampler and the client that fit.`,
    {
      reason: 'UNREADABLE_ANSWER',
    },
  )
}

import {
  type PlanEpochRequest,
  type PlanHeader,
  RunState,
  type Timestamp,
  NonFiniteMode as WireNonFinite,
  PlanReason as WireReason,
  type Run as WireRun,
  ShardMode as WireShard,
  ScoreSource as WireSource,
  RunSpec as WireSpec,
  WeightsMode as WireWeights,
} from '@keepset/proto'
import { checkU32, checkU64, oneOf } from './checks.js'
import type { PlanFacts, PlanReason } from './plan.js'
import { policyFromWire, policyToWire } from './policy-mapping.js'
import type { CreateRunOptions, RunInfo, RunSettings } from './run-settings.js'
import { unreadable } from './unreadable.js'

const shardToWire = { pad: WireShard.SHARD_MODE_PAD, drop: WireShard.SHARD_MODE_DROP } as const

const nonFiniteToWire = {
  ignore: WireNonFinite.NON_FINITE_MODE_IGNORE,
  reject: WireNonFinite.NON_FINITE_MODE_REJECT,
} as const

const weightsToWire = { off: WireWeights.WEIGHTS_MODE_OFF, on: WireWeights.WEIGHTS_MODE_ON } as const

const sourceToWire = {
  loss: WireSource.SCORE_SOURCE_LOSS,
  batch_loss: WireSource.SCORE_SOURCE_BATCH_LOSS,
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
    tailEpochs: u32('tail_epochs', options.tailEpochs),
    shardMode: oneOf('spec.shard_mode', shardToWire, options.shardMode ?? 'pad'),
    positionMultiple: u32('position_multiple', options.positionMultiple),
    nonFinite: oneOf('spec.non_finite', nonFiniteToWire, options.nonFinite ?? 'ignore'),
    metrics: [...(options.metrics ?? [])],
    weights:
      options.weights === undefined
        ? WireWeights.WEIGHTS_MODE_UNSPECIFIED
        : oneOf('spec.weights', weightsToWire, options.weights),
    weightCap: options.weightCap,
    scoreSource: oneOf('spec.score_source', sourceToWire, options.scoreSource ?? 'loss'),
    batchLossMomentum: options.batchLossMomentum,
    scoreLeftOut: options.scoreLeftOut,
    policy: policyToWire(options.policy),
  })
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
      scored: Number(progress.scored),
      samplesPlannedElsewhere: Number(progress.samplesPlannedElsewhere),
    },
    createTime: dateFromWire(run.createTime),
    updateTime: dateFromWire(run.updateTime),
  }
}

function settingsFromWire(spec: WireSpec): RunSettings {
  const { selectionPeriod, warmupEpochs, tailEpochs, positionMultiple, scoreLeftOut } = spec
  if (
    selectionPeriod === undefined ||
    warmupEpochs === undefined ||
    tailEpochs === undefined ||
    positionMultiple === undefined ||
    scoreLeftOut === undefined
  ) {
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
    tailEpochs,
    shardMode: spec.shardMode === WireShard.SHARD_MODE_DROP ? 'drop' : 'pad',
    positionMultiple,
    nonFinite: spec.nonFinite === WireNonFinite.NON_FINITE_MODE_REJECT ? 'reject' : 'ignore',
    metrics: spec.metrics,
    weights: spec.weights === WireWeights.WEIGHTS_MODE_ON ? 'on' : 'off',
    weightCap: spec.weightCap,
    scoreSource: spec.scoreSource === WireSource.SCORE_SOURCE_BATCH_LOSS ? 'batch_loss' : 'loss',
    batchLossMomentum: spec.batchLossMomentum,
    scoreLeftOut,
  }
}

function dateFromWire(time: Timestamp | undefined): Date {
  if (!time) throw unreadable('a run without its times')
  return new Date(Number(time.seconds) * 1000 + time.nanos / 1e6)
}

/** A plan's header as the wire has it, checked against what was asked for. */
export function planFromWire(request: PlanEpochRequest, header: PlanHeader): PlanFacts {
  const { epoch, rank, worldSize = 1, generation, scoreOnly } = request
  if (header.epoch !== epoch) throw unreadable(`the plan of epoch ${header.epoch} when it was asked for epoch ${epoch}`)
  if (generation !== 0 && header.generation !== generation) {
    throw unreadable(`a plan of generation ${header.generation} when it was asked for one of generation ${generation}`)
  }
  if (header.scoreOnly !== scoreOnly) {
    const [trainedOn, scored] = ['what is to be trained on', 'what is to be scored']
    throw unreadable(
      scoreOnly ? `${trainedOn} when it was asked for ${scored}` : `${scored} when it was asked for ${trainedOn}`,
    )
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
    hasWeights: header.hasWeights,
    scoreCount: header.scoreCount,
    learningRateFactor: header.learningRateFactor || 1,
  }
}

import {
  InitialStatistics,
  type LossReport,
  type LossReportAck,
  NonFiniteMode,
  type PlanHeader,
  PlanReason,
  type Run as RunMessage,
  RunSpec as RunSpecMessage,
  RunState,
  ScoreSource,
  type Selection,
  ShardMode,
  StaticMetric,
  type StatisticsChunk as StatisticsChunkMessage,
  type Timestamp,
  WeightsMode,
} from '@keepset/proto'
import { positionCount } from '../core/plans/sharding.js'
import type { PolicyName } from '../core/policies/registry.js'
import { Slab } from '../core/slab.js'
import { toSnakeCase } from '../core/snake-case.js'
import type { Report } from '../runs/check-report.js'
import type { Plan } from '../runs/plan.js'
import { invalidField } from '../runs/run-error.js'
import type { RunFacts } from '../runs/run-facts.js'
import type { ReportAck } from '../runs/run-owner.js'
import type { RequestedRunSpec, RunSpec } from '../runs/run-spec.js'
import type { HeldSelection } from '../runs/run-state.js'
import type { StatisticsChunk } from '../runs/statistics-reading.js'

type PolicyMessage = NonNullable<RunSpecMessage['policy']>

const toCamelCase = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())

/** Reads an enum by its number; a number that this version does not know is a bad field. */
function readEnum<T>(field: string, value: number, names: Readonly<Record<number, T>>): T {
  if (!(value in names)) throw invalidField(field, `${field} is ${value}, which this sampler does not know`)
  return names[value] as T
}

/** The highest number of an enum that has this name: the lowest one is that of the default, where it has one. */
function numberOf<E extends number>(names: Readonly<Record<E, string | undefined>>, name: string): E {
  return Number(Object.entries(names).findLast(([, each]) => each === name)?.[0]) as E
}

const shardModes = {
  [ShardMode.SHARD_MODE_UNSPECIFIED]: 'pad',
  [ShardMode.SHARD_MODE_PAD]: 'pad',
  [ShardMode.SHARD_MODE_DROP]: 'drop',
} as const

const nonFiniteModes = {
  [NonFiniteMode.NON_FINITE_MODE_UNSPECIFIED]: 'ignore',
  [NonFiniteMode.NON_FINITE_MODE_IGNORE]: 'ignore',
  [NonFiniteMode.NON_FINITE_MODE_REJECT]: 'reject',
} as const

const initialStatistics = {
  [InitialStatistics.INITIAL_STATISTICS_UNSPECIFIED]: 'first_loss',
  [InitialStatistics.INITIAL_STATISTICS_FIRST_LOSS]: 'first_loss',
  [InitialStatistics.INITIAL_STATISTICS_ZERO]: 'zero',
} as const

const weightsModes = {
  [WeightsMode.WEIGHTS_MODE_UNSPECIFIED]: undefined,
  [WeightsMode.WEIGHTS_MODE_OFF]: 'off',
  [WeightsMode.WEIGHTS_MODE_ON]: 'on',
} as const

const scoreSources = {
  [ScoreSource.SCORE_SOURCE_UNSPECIFIED]: 'loss',
  [ScoreSource.SCORE_SOURCE_LOSS]: 'loss',
  [ScoreSource.SCORE_SOURCE_BATCH_LOSS]: 'batch_loss',
} as const

const staticMetrics = {
  [StaticMetric.STATIC_METRIC_FORGETTING]: 'forgetting',
  [StaticMetric.STATIC_METRIC_EL2N]: 'el2n',
  [StaticMetric.STATIC_METRIC_GRAND]: 'grand',
} as const

/** Settings of policies that are enums, by their field. */
const settingNames: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  initial: initialStatistics,
  metric: staticMetrics,
}

const planReasons = {
  warmup: PlanReason.PLAN_REASON_WARMUP,
  selected: PlanReason.PLAN_REASON_SELECTED,
  reused: PlanReason.PLAN_REASON_REUSED,
  tail: PlanReason.PLAN_REASON_TAIL,
} as const

/** A policy's settings have the names of the fields of its message, so that a new policy needs no line here. */
function readPolicy(message: PolicyMessage): NonNullable<RequestedRunSpec['policy']> {
  const name = toSnakeCase(message.$case) as PolicyName
  const settings = Object.entries(message.value).flatMap(([field, value]) => {
    if (value === undefined) return []
    const names = settingNames[field]
    return [[field, names ? readEnum(`spec.${name}.${field}`, value as number, names) : value]]
  })
  return { name, settings: Object.fromEntries(settings) }
}

function writePolicy({ name, ...settings }: RunSpec['policy']): PolicyMessage {
  const value = Object.entries(settings).map(([field, setting]) => {
    const names = settingNames[field]
    return [field, names ? numberOf(names, setting as string) : setting]
  })
  return { $case: toCamelCase(name), value: Object.fromEntries(value) } as PolicyMessage
}

/** The settings that CreateRun asks for. */
export function readRunSpec(message: RunSpecMessage | undefined): RequestedRunSpec {
  if (!message) throw invalidField('spec', 'spec is not set; give at least sample_count and a policy')
  return {
    sampleCount: message.sampleCount,
    seed: message.seed,
    pruneRate: message.pruneRate,
    pruneRateSchedule: message.pruneRateSchedule,
    totalEpochs: message.totalEpochs,
    selectionPeriod: message.selectionPeriod,
    warmupEpochs: message.warmupEpochs,
    tailEpochs: message.tailEpochs,
    shardMode: readEnum('spec.shard_mode', message.shardMode, shardModes),
    positionMultiple: message.positionMultiple,
    nonFinite: readEnum('spec.non_finite', message.nonFinite, nonFiniteModes),
    metrics: message.metrics,
    weights: readEnum('spec.weights', message.weights, weightsModes),
    weightCap: message.weightCap,
    scoreSource: readEnum('spec.score_source', message.scoreSource, scoreSources),
    batchLossMomentum: message.batchLossMomentum,
    scoreLeftOut: message.scoreLeftOut,
    policy: message.policy && readPolicy(message.policy),
  }
}

function writeRunSpec(spec: RunSpec): RunSpecMessage {
  return RunSpecMessage.fromPartial({
    ...spec,
    pruneRateSchedule: [...spec.pruneRateSchedule],
    metrics: [...spec.metrics],
    shardMode: numberOf(shardModes, spec.shardMode),
    nonFinite: numberOf(nonFiniteModes, spec.nonFinite),
    weights: numberOf(weightsModes, spec.weights),
    scoreSource: numberOf(scoreSources, spec.scoreSource),
    policy: writePolicy(spec.policy),
  })
}

function writeTime(milliseconds: number): Timestamp {
  return { seconds: BigInt(Math.floor(milliseconds / 1000)), nanos: (milliseconds % 1000) * 1_000_000 }
}

export function writeRun(run: RunFacts): RunMessage {
  const { saving } = run
  const { epochsPlanned, samplesPlanned, selections, ...counts } = run.progress
  return {
    runId: run.runId,
    spec: writeRunSpec(run.spec),
    state: run.isFinished ? RunState.RUN_STATE_FINISHED : RunState.RUN_STATE_ACTIVE,
    nextEpoch: run.nextEpoch,
    createTime: writeTime(run.createTime),
    updateTime: writeTime(run.updateTime),
    progress: {
      epochsPlanned,
      samplesPlanned: BigInt(samplesPlanned),
      reports: BigInt(counts.reports),
      observations: BigInt(counts.observations),
      nonFinite: BigInt(counts.nonFinite),
      repeats: BigInt(counts.repeats),
      scored: BigInt(counts.scored),
      samplesPlannedElsewhere: BigInt(counts.samplesPlannedElsewhere),
      saving,
      selections,
    },
    generation: run.generation,
    epochStarts: [...run.epochStarts],
  }
}

export function writePlanHeader(plan: Plan, rank: number, appliedSequence: number): PlanHeader {
  return {
    epoch: plan.epoch,
    keptCount: plan.keptCount,
    sampleCount: plan.sampleCount,
    positionCount: positionCount(plan.keptCount, plan.sharding),
    saving: plan.saving,
    selectionEpoch: plan.selectionEpoch,
    reason: planReasons[plan.reason],
    digest: plan.digest,
    generation: plan.generation,
    appliedSequence,
    hasWeights: plan.keptSet?.weights !== undefined,
    scoreCount: plan.scoreCount(rank),
    scoreOnly: false,
    learningRateFactor: plan.learningRateFactor,
  }
}

/** The header of what is to be scored. */
export function writeScoreHeader(plan: Plan, rank: number, appliedSequence: number): PlanHeader {
  const header = writePlanHeader(plan, rank, appliedSequence)
  return { ...header, positionCount: header.scoreCount, hasWeights: false, scoreOnly: true }
}

export function writeSelection({ timesKept, ...held }: HeldSelection): Selection {
  const sometimesCount = timesKept.reduce((sum, count) => sum + count, 0) - held.alwaysCount - held.neverCount
  return { ...held, sometimesCount, timesKept: [...timesKept] }
}

const slab = new Slab(0x4_0000)

/** Copies packed little-endian 4-byte elements to an aligned array. bootstrap.ts refuses to start on a big-endian machine. */
function unpack<T>(
  field: string,
  bytes: Uint8Array,
  View: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
): T {
  if (bytes.byteLength % 4 !== 0) {
    throw invalidField(field, `${field} has ${bytes.byteLength} bytes; it must hold whole elements of 4 bytes`)
  }
  const copy = slab.take(bytes.byteLength)
  copy.set(bytes)
  return new View(copy.buffer, copy.byteOffset, bytes.byteLength / 4)
}

export function readReport(message: LossReport): Report {
  const { epoch, rank, sequence, generation } = message
  const metrics = message.metrics.map(({ name, values }, i) => ({
    name,
    values: unpack(`report.metrics[${i}].values`, values, Float32Array),
  }))
  return {
    epoch,
    rank,
    sequence,
    generation,
    indices: unpack('sample_indices', message.sampleIndices, Uint32Array),
    losses: unpack('losses', message.losses, Float32Array),
    ...(metrics.length > 0 ? { metrics } : {}),
  }
}

export function writeAck({ epoch, rank, sequence }: LossReport, ack: ReportAck): LossReportAck {
  return {
    epoch,
    rank,
    sequence,
    duplicate: ack.duplicate,
    observationCount: ack.observations,
    nonFiniteCount: ack.nonFinite,
    repeatCount: ack.repeats,
  }
}

/** The bytes of an array, packed little-endian, without a copy. */
export function pack({ buffer, byteOffset, byteLength }: Uint8Array | Uint32Array | Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

export function writeStatisticsChunk(chunk: StatisticsChunk): StatisticsChunkMessage {
  return {
    startIndex: chunk.startIndex,
    means: pack(chunk.means),
    variances: pack(chunk.variances),
    lastLosses: pack(chunk.lastLosses),
    timesReported: pack(Uint32Array.from(chunk.timesReported)),
    timesKept: pack(Uint32Array.from(chunk.timesKept)),
    metrics: chunk.metrics.map(({ name, values }) => ({ name, values: pack(values) })),
  }
}

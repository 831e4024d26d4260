import { checkRange, type FieldViolation } from '../core/field-violation.js'
import type { EpochSettings } from '../core/plans/epoch-rule.js'
import type { ShardMode } from '../core/plans/sharding.js'
import {
  leastWarmupEpochs,
  neededMetrics,
  ownColumns,
  type PolicyChoice,
  type PolicyName,
  pruneRateProblem,
  resolvePolicy,
  runDefaults,
} from '../core/policies/registry.js'
import { keptCount } from '../core/share.js'
import { invalidFields } from './run-error.js'
import { isRunId } from './run-id.js'

/** What a run does with a loss that is NaN or infinite: count it, or refuse its report. */
export type NonFiniteMode = 'ignore' | 'reject'

/** Whether plans have weights. */
export type WeightsMode = 'off' | 'on'

/** What the losses of a report are: each sample's own, or the mean of its batch. */
export type ScoreSource = 'loss' | 'batch_loss'

/** Settings of a run, every default filled in. They never change. */
export interface RunSpec extends EpochSettings {
  /** Key of every random stream, u64. */
  readonly seed: bigint
  readonly policy: PolicyChoice
  readonly shardMode: ShardMode
  readonly positionMultiple: number
  readonly nonFinite: NonFiniteMode
  /** Names of what reports can have of each sample beside the loss; their places are those of the columns. */
  readonly metrics: readonly string[]
  readonly weights: WeightsMode
  /** Greatest weight; undefined: none is too large. */
  readonly weightCap: number | undefined
  readonly scoreSource: ScoreSource
  /** Undefined with `loss`. */
  readonly batchLossMomentum: number | undefined
}

/** Names of the columns that a run has beside those that all have: its metrics, then those of its policy. */
export function columnNames({ metrics, policy }: Pick<RunSpec, 'metrics' | 'policy'>): readonly string[] {
  return [...metrics, ...(ownColumns(policy)?.names ?? [])]
}

/** Settings as they were asked for: what is undefined gets its default. */
export interface RequestedRunSpec {
  readonly sampleCount: number
  readonly seed: bigint
  readonly pruneRate: number
  readonly pruneRateSchedule: EpochSettings['pruneRateSchedule']
  readonly totalEpochs: number | undefined
  readonly selectionPeriod: number | undefined
  readonly warmupEpochs: number | undefined
  readonly tailEpochs: number | undefined
  readonly shardMode: ShardMode
  readonly positionMultiple: number | undefined
  readonly nonFinite: NonFiniteMode
  readonly metrics: readonly string[]
  readonly weights: WeightsMode | undefined
  readonly weightCap: number | undefined
  readonly scoreSource: ScoreSource
  readonly batchLossMomentum: number | undefined
  readonly scoreLeftOut: boolean | undefined
  readonly policy: { readonly name: PolicyName; readonly settings: Readonly<Record<string, unknown>> } | undefined
}

/** The paper's period, made for 200 epochs: a twentieth of the training, or 10 epochs where its length is not known. */
function defaultSelectionPeriod(totalEpochs: number | undefined): number {
  return totalEpochs === undefined ? 10 : Math.max(1, Math.round(totalEpochs / 20))
}

const MAX_U32 = 0xffffffff

/** Keeps a run's settings small in every answer that holds them. */
const MAX_SCHEDULE_ENTRIES = 1000

/** Keeps a rank's positions, padding included, far inside u32. */
const MAX_POSITION_MULTIPLE = 0x100000

/** A bit each in the byte that an event has for them. */
const MAX_METRICS = 8

function checkMetrics(metrics: readonly string[], own: readonly string[]): FieldViolation[] {
  if (metrics.length > MAX_METRICS) {
    const field = 'spec.metrics'
    return [{ field, description: `${field} has ${metrics.length} names; it must have at most ${MAX_METRICS}` }]
  }
  return metrics.flatMap((name, i) => {
    const field = `spec.metrics[${i}]`
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(name)) {
      const shown = JSON.stringify(name.slice(0, 100))
      return [
        {
          field,
          description: `${field} is ${shown}; it must be a letter from a to z, then up to 31 more of a-z, 0-9 and '_'`,
        },
      ]
    }
    if (own.includes(name)) {
      return [{ field, description: `${field} is "${name}", which the policy has for itself; take another name` }]
    }
    const first = metrics.indexOf(name)
    if (first === i) return []
    return [{ field, description: `${field} is "${name}", as spec.metrics[${first}] is; give each name once` }]
  })
}

function checkPruneRate(field: string, pruneRate: number, sampleCount: number): FieldViolation[] {
  if (!(pruneRate >= 0 && pruneRate < 1)) {
    return [{ field, description: `${field} is ${pruneRate}; it must be at least 0 and below 1` }]
  }
  if (sampleCount === 0 || keptCount(pruneRate, sampleCount) > 0) return []
  return [{ field, description: `${field} ${pruneRate} keeps none of ${sampleCount} samples; lower it` }]
}

function checkFromEpoch(
  field: string,
  fromEpoch: number,
  before: number | undefined,
  totalEpochs: number | undefined,
): FieldViolation[] {
  if (before !== undefined && fromEpoch <= before) {
    return [{ field, description: `${field} is ${fromEpoch}; it must be above ${before}, that of the entry before` }]
  }
  if (totalEpochs !== undefined && fromEpoch >= totalEpochs) {
    return [{ field, description: `${field} is ${fromEpoch}; it must be below spec.total_epochs ${totalEpochs}` }]
  }
  return []
}

function checkSchedule({ pruneRateSchedule, sampleCount, totalEpochs }: RequestedRunSpec): FieldViolation[] {
  if (pruneRateSchedule.length > MAX_SCHEDULE_ENTRIES) {
    const field = 'spec.prune_rate_schedule'
    const description = `${field} has ${pruneRateSchedule.length} entries; it must have at most ${MAX_SCHEDULE_ENTRIES}`
    return [{ field, description }]
  }
  return pruneRateSchedule.flatMap(({ fromEpoch, pruneRate }, i) => {
    const field = `spec.prune_rate_schedule[${i}]`
    const before = pruneRateSchedule[i - 1]?.fromEpoch
    return [
      ...checkFromEpoch(`${field}.from_epoch`, fromEpoch, before, totalEpochs),
      ...checkPruneRate(`${field}.prune_rate`, pruneRate, sampleCount),
    ]
  })
}

function checkFullEpochs(
  totalEpochs: number | undefined,
  warmupEpochs: number,
  tailEpochs: number,
  observed: number,
): FieldViolation[] {
  const field = tailEpochs > 0 ? 'spec.tail_epochs' : 'spec.warmup_epochs'
  if (totalEpochs === undefined) {
    if (tailEpochs === 0) return []
    return [{ field, description: `${field} is ${tailEpochs} but spec.total_epochs is not set; set it` }]
  }
  if (totalEpochs === 0 || warmupEpochs + tailEpochs <= totalEpochs) return []
  const description = `spec.warmup_epochs ${warmupEpochs} and spec.tail_epochs ${tailEpochs} exceed spec.total_epochs ${totalEpochs}; lower ${observed > 0 ? 'observe_epochs or spec.tail_epochs' : 'them'}`
  return [{ field, description }]
}

/** What the policy has against the prune rates. */
function checkRates(choice: PolicyChoice, { pruneRate, pruneRateSchedule }: RequestedRunSpec): FieldViolation[] {
  const rates = [pruneRate, ...pruneRateSchedule.map((change) => change.pruneRate)]
  return rates.flatMap((rate, i) => {
    const problem = pruneRateProblem(choice, rate)
    if (problem === undefined) return []
    const field = i === 0 ? 'spec.prune_rate' : `spec.prune_rate_schedule[${i - 1}].prune_rate`
    return [{ field, description: `${field} is ${rate}, but ${problem}` }]
  })
}

function checkScoresFrom(choice: PolicyChoice): FieldViolation[] {
  if (choice.name !== 'static_score') return []
  const wrong = choice.scoresFrom.findIndex((runId) => !isRunId(runId))
  if (wrong < 0) return []
  const field = `spec.static_score.scores_from[${wrong}]`
  const shown = JSON.stringify(choice.scoresFrom[wrong]?.slice(0, 100))
  return [{ field, description: `${field} is ${shown}, which cannot be the name of a run` }]
}

function checkWarmup(choice: PolicyChoice, warmupEpochs: number): FieldViolation[] {
  const least = leastWarmupEpochs(choice)
  if (warmupEpochs >= least) return []
  const field = 'spec.warmup_epochs'
  return [
    {
      field,
      description: `${field} is ${warmupEpochs}, but policy ${choice.name} observes ${least} epochs; leave it unset, or lower observe_epochs`,
    },
  ]
}

function checkWeights(weights: WeightsMode, weightCap: number | undefined): FieldViolation[] {
  const field = 'spec.weight_cap'
  if (weightCap === undefined) return []
  if (weights === 'off') {
    return [{ field, description: `${field} is ${weightCap}, but the run has no weights; set spec.weights to ON` }]
  }
  if (weightCap >= 1 && weightCap < Infinity) return []
  return [{ field, description: `${field} is ${weightCap}; it must be at least 1` }]
}

function checkBatchLoss({ scoreSource, batchLossMomentum }: RequestedRunSpec): FieldViolation[] {
  const field = 'spec.batch_loss_momentum'
  if (batchLossMomentum === undefined) return []
  if (scoreSource === 'loss') {
    const description = `${field} is ${batchLossMomentum}, but spec.score_source is LOSS; set it to BATCH_LOSS`
    return [{ field, description }]
  }
  if (batchLossMomentum >= 0 && Math.fround(batchLossMomentum) < 1) return []
  return [{ field, description: `${field} is ${batchLossMomentum}; it must be at least 0 and below 1` }]
}

/** Weight of the old value where a batch's mean loss is all that is known, as in the paper. */
const BATCH_LOSS_MOMENTUM = 0.7

/** Fills in the defaults. Throws INVALID_FIELD with every violation, not only the first. */
export function resolveRunSpec(requested: RequestedRunSpec): RunSpec {
  const { sampleCount, totalEpochs, scoreSource } = requested
  if (requested.policy === undefined) {
    const description = 'spec.policy is not set; choose one, for example ucb {}'
    throw invalidFields([{ field: 'spec.policy', description }])
  }
  const { choice, violations } = resolvePolicy(requested.policy.name, requested.policy.settings)
  const defaults = violations.length > 0 ? {} : runDefaults(choice, totalEpochs)
  const settings = {
    selectionPeriod: requested.selectionPeriod ?? defaults.selectionPeriod ?? defaultSelectionPeriod(totalEpochs),
    warmupEpochs: requested.warmupEpochs ?? defaults.warmupEpochs ?? 1,
    tailEpochs: requested.tailEpochs ?? defaults.tailEpochs ?? 0,
    positionMultiple: requested.positionMultiple ?? 1,
    weights: requested.weights ?? defaults.weights ?? 'off',
    scoreLeftOut: requested.scoreLeftOut ?? defaults.scoreLeftOut ?? false,
    metrics: [...requested.metrics, ...neededMetrics(choice).filter((name) => !requested.metrics.includes(name))],
  }
  const all = [
    ...checkRange('spec.sample_count', sampleCount, 1, MAX_U32),
    ...checkPruneRate('spec.prune_rate', requested.pruneRate, sampleCount),
    ...checkSchedule(requested),
    ...checkRange('spec.total_epochs', totalEpochs ?? 1, 1, MAX_U32),
    ...checkRange('spec.selection_period', settings.selectionPeriod, 1, MAX_U32),
    ...checkFullEpochs(totalEpochs, settings.warmupEpochs, settings.tailEpochs, leastWarmupEpochs(choice)),
    ...checkRange('spec.position_multiple', settings.positionMultiple, 1, MAX_POSITION_MULTIPLE),
    ...checkRates(choice, requested),
    ...checkWarmup(choice, settings.warmupEpochs),
    ...checkScoresFrom(choice),
    ...checkMetrics(settings.metrics, ownColumns(choice)?.names ?? []),
    ...checkWeights(settings.weights, requested.weightCap),
    ...checkBatchLoss(requested),
    ...violations.map(({ field, description }) => ({
      field: `spec.${choice.name}.${field}`,
      description: `spec.${choice.name}.${description}`,
    })),
  ]
  if (all.length > 0) throw invalidFields(all)
  const batchLossMomentum = scoreSource === 'loss' ? undefined : (requested.batchLossMomentum ?? BATCH_LOSS_MOMENTUM)
  return { ...requested, ...settings, policy: choice, batchLossMomentum }
}

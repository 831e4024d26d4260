import { checkRange, type FieldViolation } from '../core/field-violation.js'
import type { EpochSettings } from '../core/plans/epoch-rule.js'
import type { ShardMode } from '../core/plans/sharding.js'
import { type PolicyChoice, type PolicyName, resolvePolicy } from '../core/policies/registry.js'
import { keptCount } from '../core/share.js'
import { invalidFields } from './run-error.js'

/** What a run does with a loss that is NaN or infinite: count it, or refuse its report. */
export type NonFiniteMode = 'ignore' | 'reject'

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
  readonly tailEpochs: number
  readonly shardMode: ShardMode
  readonly positionMultiple: number | undefined
  readonly nonFinite: NonFiniteMode
  readonly metrics: readonly string[]
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

function checkMetrics(metrics: readonly string[]): FieldViolation[] {
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

function checkFullEpochs(totalEpochs: number | undefined, warmupEpochs: number, tailEpochs: number): FieldViolation[] {
  const field = tailEpochs > 0 ? 'spec.tail_epochs' : 'spec.warmup_epochs'
  if (totalEpochs === undefined) {
    if (tailEpochs === 0) return []
    return [{ field, description: `${field} is ${tailEpochs} but spec.total_epochs is not set; set it` }]
  }
  if (totalEpochs === 0 || warmupEpochs + tailEpochs <= totalEpochs) return []
  const description = `spec.warmup_epochs ${warmupEpochs} and spec.tail_epochs ${tailEpochs} exceed spec.total_epochs ${totalEpochs}; lower them`
  return [{ field, description }]
}

function checkBaseline(choice: PolicyChoice, requested: RequestedRunSpec): FieldViolation[] {
  const rates = [requested.pruneRate, ...requested.pruneRateSchedule.map(({ pruneRate }) => pruneRate)]
  if (choice.name !== 'full' || rates.every((rate) => rate === 0)) return []
  const description = `policy full keeps everything, but spec.prune_rate is ${Math.max(...rates)}; leave it at 0, or take another policy`
  return [{ field: 'spec.prune_rate', description }]
}

/** Fills in the defaults. Throws INVALID_FIELD with every violation, not only the first. */
export function resolveRunSpec(requested: RequestedRunSpec): RunSpec {
  const { sampleCount, totalEpochs, tailEpochs } = requested
  if (requested.policy === undefined) {
    const description = 'spec.policy is not set; choose one, for example ucb {}'
    throw invalidFields([{ field: 'spec.policy', description }])
  }
  const { choice, violations } = resolvePolicy(requested.policy.name, requested.policy.settings)
  const selectionPeriod = requested.selectionPeriod ?? defaultSelectionPeriod(totalEpochs)
  const warmupEpochs = requested.warmupEpochs ?? 1
  const positionMultiple = requested.positionMultiple ?? 1
  const all = [
    ...checkRange('spec.sample_count', sampleCount, 1, MAX_U32),
    ...checkPruneRate('spec.prune_rate', requested.pruneRate, sampleCount),
    ...checkSchedule(requested),
    ...checkRange('spec.total_epochs', totalEpochs ?? 1, 1, MAX_U32),
    ...checkRange('spec.selection_period', selectionPeriod, 1, MAX_U32),
    ...checkFullEpochs(totalEpochs, warmupEpochs, tailEpochs),
    ...checkRange('spec.position_multiple', positionMultiple, 1, MAX_POSITION_MULTIPLE),
    ...checkBaseline(choice, requested),
    ...checkMetrics(requested.metrics),
    ...violations.map(({ field, description }) => ({
      field: `spec.${choice.name}.${field}`,
      description: `spec.${choice.name}.${description}`,
    })),
  ]
  if (all.length > 0) throw invalidFields(all)
  return { ...requested, policy: choice, selectionPeriod, warmupEpochs, positionMultiple }
}

import type { FieldViolation } from '../field-violation.js'
import { KeptSet } from '../selection/kept-set.js'
import type { KeptSetBuilder } from '../selection/kept-set-builder.js'
import type { OwnColumns } from '../statistics/own-columns.js'
import type { StatisticsSettings } from '../statistics/sample-statistics.js'
import { type BacklogSettings, backlog } from './backlog.js'
import { type CustomScoreSettings, customScore } from './custom-score.js'
import { type EpsilonGreedySettings, epsilonGreedy } from './epsilon-greedy.js'
import { type FullSettings, full } from './full.js'
import { type IesSettings, ies } from './ies.js'
import { type ImportanceSettings, importance } from './importance.js'
import { type InfoBatchSettings, infoBatch } from './info-batch.js'
import { type KakurenboSettings, kakurenbo } from './kakurenbo.js'
import { type OrderDpSettings, orderDp } from './order-dp.js'
import type { Policy, RunDefaults, SelectionInput } from './policy.js'
import { type RandomSettings, random } from './random.js'
import { type RepbSettings, repb } from './repb.js'
import { type Rs2Settings, rs2 } from './rs2.js'
import { type SelectiveBackpropSettings, selectiveBackprop } from './selective-backprop.js'
import { type SetaSettings, seta } from './seta.js'
import { type StaticRandomSettings, staticRandom } from './static-random.js'
import { type StaticScoreSettings, staticScore } from './static-score.js'
import { type UcbSettings, ucb } from './ucb.js'

/** Settings of each policy, by its name. */
export interface PolicySettings {
  full: FullSettings
  static_random: StaticRandomSettings
  random: RandomSettings
  epsilon_greedy: EpsilonGreedySettings
  ucb: UcbSettings
  backlog: BacklogSettings
  order_dp: OrderDpSettings
  info_batch: InfoBatchSettings
  rs2: Rs2Settings
  importance: ImportanceSettings
  selective_backprop: SelectiveBackpropSettings
  custom_score: CustomScoreSettings
  seta: SetaSettings
  repb: RepbSettings
  kakurenbo: KakurenboSettings
  ies: IesSettings
  static_score: StaticScoreSettings
}

export type PolicyName = keyof PolicySettings

/** A policy's name with its settings. */
export type PolicyChoice = { [Name in PolicyName]: { readonly name: Name } & PolicySettings[Name] }[PolicyName]

const policies: { [Name in PolicyName]: Policy<PolicySettings[Name]> } = {
  full,
  static_random: staticRandom,
  random,
  epsilon_greedy: epsilonGreedy,
  ucb,
  backlog,
  order_dp: orderDp,
  info_batch: infoBatch,
  rs2,
  importance,
  selective_backprop: selectiveBackprop,
  custom_score: customScore,
  seta,
  repb,
  kakurenbo,
  ies,
  static_score: staticScore,
}

/** Whether there is a policy of this name. */
export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(policies, name)
}

function find<Name extends PolicyName>(choice: { readonly name: Name }): Policy<PolicySettings[Name]> {
  return policies[choice.name]
}

/** A choice with its defaults filled in, and what is wrong with it; fields are named without a prefix. */
export function resolvePolicy(
  name: PolicyName,
  given: Readonly<Record<string, unknown>>,
): { choice: PolicyChoice; violations: FieldViolation[] } {
  const policy: Policy<object> = policies[name]
  const settings = { ...policy.defaults, ...given }
  return { choice: { name, ...settings } as PolicyChoice, violations: policy.check(settings) }
}

/** How a run with this policy keeps its moving statistics. */
export function statisticsSettings(choice: PolicyChoice): StatisticsSettings {
  return find(choice).statistics(choice)
}

/** Names of metrics that the policy needs reported. */
export function neededMetrics(choice: PolicyChoice): readonly string[] {
  return find(choice).metrics?.(choice) ?? []
}

/** Columns that the policy keeps for itself. */
export function ownColumns(choice: PolicyChoice): OwnColumns | undefined {
  return find(choice).ownColumns?.(choice)
}

/** Settings of a run that the policy has defaults for. */
export function runDefaults(choice: PolicyChoice, totalEpochs: number | undefined): RunDefaults {
  return find(choice).runDefaults?.(choice, totalEpochs) ?? {}
}

/** Epochs that the warm-up of a run with this policy must have at least. */
export function leastWarmupEpochs(choice: PolicyChoice): number {
  return find(choice).leastWarmupEpochs?.(choice) ?? 0
}

/** What is wrong with a prune rate under this policy, as a text that follows its name and value. */
export function pruneRateProblem(choice: PolicyChoice, pruneRate: number): string | undefined {
  return find(choice).checkPruneRate?.(pruneRate, choice)
}

/** Whether the policy itself decides how many samples it keeps at this prune rate. */
export function countIsOwn(choice: PolicyChoice, pruneRate: number): boolean {
  return find(choice).countIsOwn?.(pruneRate) ?? false
}

/** What the learning rate of an epoch is to be multiplied by under this policy. */
export function learningRateFactor(
  choice: PolicyChoice,
  pruneRate: number,
  epoch: number,
  totalEpochs: number | undefined,
): number {
  return find(choice).learningRateFactor?.(pruneRate, epoch, totalEpochs) ?? 1
}

/** What a selection is made of, besides what is known of the samples: plain values, which pass between threads. */
export interface SelectionRequest extends Omit<SelectionInput, 'builder' | 'column' | 'seed' | 'epoch'> {
  readonly policy: PolicyChoice
  /** Names of the columns beside those that every run has, in their order. */
  readonly columnNames: readonly string[]
  /** Whether kept samples get weights, and the greatest that one may have. */
  readonly weights: { readonly cap: number | undefined } | undefined
}

/** The policy's kept set. */
export function selectKeptSet(
  { policy, columnNames, weights, ...request }: SelectionRequest & { readonly seed: bigint; readonly epoch: number },
  builder: KeptSetBuilder,
): KeptSet {
  const column = (name: string) => builder.columns.metrics[columnNames.indexOf(name)] as Float32Array
  find(policy).select({ ...request, builder, column }, policy)
  const keptSet = builder.build()
  const { bits, count, weights: exact } = keptSet
  const cap = weights?.cap
  return exact && cap !== undefined
    ? new KeptSet(
        bits,
        count,
        exact.map((weight) => Math.min(weight, cap)),
      )
    : keptSet
}

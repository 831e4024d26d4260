import type { FieldViolation } from '../field-violation.js'
import type { KeptSet } from '../selection/kept-set.js'
import type { StatisticsSettings } from '../statistics/sample-statistics.js'
import { type EpsilonGreedySettings, epsilonGreedy } from './epsilon-greedy.js'
import { type FullSettings, full } from './full.js'
import { type OrderDpSettings, orderDp } from './order-dp.js'
import type { Policy, SelectionInput } from './policy.js'
import { type RandomSettings, random } from './random.js'
import { type StaticRandomSettings, staticRandom } from './static-random.js'
import { type UcbSettings, ucb } from './ucb.js'

/** Settings of each policy, by its name. */
export interface PolicySettings {
  full: FullSettings
  static_random: StaticRandomSettings
  random: RandomSettings
  epsilon_greedy: EpsilonGreedySettings
  ucb: UcbSettings
  order_dp: OrderDpSettings
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
  order_dp: orderDp,
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

/** The policy's kept set: `input.keptCount` samples. */
export function selectKeptSet(choice: PolicyChoice, input: SelectionInput): KeptSet {
  find(choice).select(input, choice)
  return input.builder.build()
}

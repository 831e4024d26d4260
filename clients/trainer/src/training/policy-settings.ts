/** What a setting of a policy may be. */
export type PolicySetting = number | string | readonly string[]

/** Settings of a policy by their names in the contract (proto/keepset/v1/run.proto); what is left out has the sampler's default. */
export type PolicySettings = Readonly<Record<string, PolicySetting>>

/** The kind of each setting; the sampler checks its range. */
const kinds = {
  alpha: 'number',
  c: 'number',
  confidence: 'number',
  drop_rate: 'number',
  epsilon: 'number',
  exponent: 'number',
  groups: 'number',
  initial: 'text',
  metric: 'text',
  observe_epochs: 'number',
  pool_rate: 'number',
  r: 'number',
  rho: 'number',
  scores_from: 'list',
  tau: 'number',
  uniform_share: 'number',
  window: 'number',
} as const

type SettingName = keyof typeof kinds
type Kind = (typeof kinds)[SettingName]

/** What a training has to know of a policy. */
interface PolicyFacts {
  readonly settings: readonly SettingName[]
  /** The prune rate where none is given. */
  readonly pruneRate: number
  /** Whether the policy can have no other one. */
  readonly fixedRate?: boolean
}

/** All but custom_score: this trainer computes no score of its own. */
const policies = {
  full: { settings: [], pruneRate: 0, fixedRate: true },
  static_random: { settings: [], pruneRate: 0.5 },
  random: { settings: [], pruneRate: 0.5 },
  epsilon_greedy: { settings: ['epsilon', 'alpha', 'initial'], pruneRate: 0.5 },
  ucb: { settings: ['c', 'alpha', 'initial'], pruneRate: 0.5 },
  backlog: { settings: ['alpha', 'initial'], pruneRate: 0.5 },
  order_dp: { settings: ['pool_rate'], pruneRate: 0.5 },
  info_batch: { settings: ['r'], pruneRate: 0 },
  rs2: { settings: [], pruneRate: 0.5 },
  importance: { settings: ['exponent', 'uniform_share'], pruneRate: 0.5 },
  selective_backprop: { settings: ['exponent'], pruneRate: 0.5 },
  seta: { settings: ['drop_rate', 'groups', 'window'], pruneRate: 0, fixedRate: true },
  repb: { settings: ['rho'], pruneRate: 0, fixedRate: true },
  kakurenbo: { settings: ['confidence'], pruneRate: 0.3 },
  ies: { settings: ['tau'], pruneRate: 0, fixedRate: true },
  static_score: { settings: ['metric', 'observe_epochs', 'scores_from'], pruneRate: 0.5 },
} as const satisfies Readonly<Record<string, PolicyFacts>>

export type PolicyName = keyof typeof policies

export const POLICY_NAMES = Object.keys(policies) as [PolicyName, ...PolicyName[]]

export function factsOf(policy: PolicyName): PolicyFacts {
  return policies[policy]
}

/** The same settings in the policy's own order. */
export function inOrder(policy: PolicyName, settings: PolicySettings): PolicySettings {
  const names = factsOf(policy).settings.filter((name) => settings[name] !== undefined)
  return Object.fromEntries(names.map((name) => [name, settings[name] as PolicySetting]))
}

const kindsInWords: Readonly<Record<Kind, string>> = { number: 'a number', text: 'a name', list: 'a list of names' }

function fits(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
    case 'text':
      return typeof value === 'string'
    case 'list':
      return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')
  }
}

/** What is wrong with settings of a policy; undefined where nothing is, as far as it can be told without the sampler. */
export function whyNoSettings(policy: PolicyName, settings: PolicySettings): string | undefined {
  const known = factsOf(policy).settings
  for (const [name, value] of Object.entries(settings)) {
    if (!known.includes(name as SettingName)) {
      const those = known.length > 0 ? `its settings are ${known.join(', ')}` : 'it has no settings'
      return `"${name}" is not used by the policy ${policy}: ${those}`
    }
    const kind = kinds[name as SettingName]
    if (!fits(kind, value)) return `${name} must be ${kindsInWords[kind]}`
  }
  if (policy === 'static_score' && settings.metric === undefined) {
    return 'metric is needed by the policy static_score: forgetting, el2n or grand'
  }
  return undefined
}

/**
 * Reads settings out of a text such as `epsilon=0.2,alpha=0.5`; of a list each item is given for itself: `scores_from=first,scores_from=second`.
 * What does not parse stays text, for {@link whyNoSettings} to refuse by name.
 */
export function readPolicySettings(given: string): PolicySettings {
  const settings: Record<string, PolicySetting> = {}
  for (const part of given.split(',')) {
    const [name = '', ...rest] = part.split('=')
    const value = rest.join('=')
    const kind = Object.hasOwn(kinds, name) ? kinds[name as SettingName] : 'text'
    const before = settings[name]
    settings[name] = kind === 'list' ? [...(Array.isArray(before) ? before : []), value] : parse(kind, value)
  }
  return settings
}

function parse(kind: Kind, value: string): PolicySetting {
  return kind === 'number' && value.trim() !== '' && !Number.isNaN(Number(value)) ? Number(value) : value
}

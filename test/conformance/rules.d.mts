import type { PURPOSE, Words } from './draws.mjs'
import type { SpecJson, Statistic } from './oracle.mjs'

/** One finite loss of a sample: the loss, the mean of the losses that its report brought, and the metrics beside it. */
export interface Observation {
  epoch: number
  loss: number
  reportMean: number
  metrics: Record<string, number>
  /** Not where it was only scored. */
  trained: boolean
}

export interface Sample extends Statistic {
  /** The last loss; 0 while it is unseen. */
  last: number
  timesKept: number
  /** The last finite value of each metric. */
  metrics: Record<string, number>
  /** The oldest first. */
  observations: Observation[]
}

export interface RuleInput {
  N: number
  k: number
  pruneRate: number
  epoch: number
  totalEpochs: number | undefined
  selectionPeriod: number
  /** Selections held before. */
  selections: number
  settings: object
  samples: Sample[]
  /** A stream of the run; epoch: default the selection's. */
  open: (purpose: keyof typeof PURPOSE, epoch?: number) => Words
}

/** set: ascending. weights: in the same order, f32 values; absent where all are 1. */
export type Rule = (input: RuleInput) => { set: number[]; weights?: number[] }

export type RuleName =
  | 'full'
  | 'staticRandom'
  | 'random'
  | 'epsilonGreedy'
  | 'ucb'
  | 'orderDp'
  | 'infoBatch'
  | 'rs2'
  | 'customScore'
  | 'seta'
  | 'repb'
  | 'kakurenbo'
  | 'ies'
  | 'staticScore'
  | 'backlog'

export const rules: Record<RuleName, Rule>
export function policyOf(spec: SpecJson): RuleName | 'importance' | 'selectiveBackprop'
export function groupsOf(rising: readonly number[], groupCount: number): number[][]
export function hiddenShare(pruneRate: number, epoch: number, totalEpochs: number | undefined): number
export function secondDifferences(losses: readonly number[]): number[]
export function forgettingOf(correct: readonly number[]): number

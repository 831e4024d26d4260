import type { StartRecord } from '@keepset/trainer'

/** The policies that the demo compares, the baseline first. */
export const policies = ['full', 'random', 'epsilon_greedy', 'ucb'] as const
export type PolicyName = (typeof policies)[number]

/** What is the same for all arms. */
export interface DemoSettings {
  readonly epochs: number
  /** Of all arms but `full`. */
  readonly pruneRate: number
  readonly model: string
  readonly backend: string
  readonly seed: number
  readonly batchSize: number
  /** Train on the first images only. */
  readonly limit: number | undefined
}

/** A point of an arm's curves: the state after an epoch. */
export interface CurvePoint {
  /** Seconds of training and sampler so far, evaluation left out. */
  readonly seconds: number
  readonly samplesTrained: number
  /** On the test images, 0 to 1. */
  readonly testAccuracy: number
}

/** What became of one policy. */
export interface ArmResult {
  readonly policy: PolicyName
  readonly backend: string
  readonly backendReason: string
  /** All that the trainer was set to, its defaults included. */
  readonly settings: StartRecord['settings']
  readonly parameterCount: number
  readonly trainCount: number
  readonly testCount: number
  /** After the last epoch, 0 to 1. */
  readonly testAccuracy: number
  readonly samplesTrained: number
  /** Training and sampler together; the evaluation, the same for all, is left out. */
  readonly seconds: number
  /** The part of `seconds` in which the trainer waited for the sampler. */
  readonly samplerSeconds: number
  /** samplesTrained over `seconds`. */
  readonly imagesPerSecond: number
  /** Share of the data set left out, by the sampler's count, 0 to 1. */
  readonly saving: number
  /** seconds of `full` over ours. */
  readonly speedUp: number
  /** Samples trained by `full` over ours: what the speed-up cannot exceed when an image costs the same in both. */
  readonly speedUpBound: number
  readonly curve: readonly CurvePoint[]
}

import {
  type CreateRunOptions,
  epsilonGreedy,
  full,
  orderDp,
  type Policy,
  random,
  staticRandom,
  ucb,
} from '@keepset/client'
import type { ResolvedTrainOptions } from './train-options.js'

/** What the sampler is told of a training. */
export function samplerSettings(options: ResolvedTrainOptions, runId: string, sampleCount: number): CreateRunOptions {
  return {
    runId,
    sampleCount,
    policy: policyOf(options),
    pruneRate: options.pruneRate,
    epochs: options.epochs,
    seed: options.seed,
    ...(options.selectionPeriod !== undefined && { selectionPeriod: options.selectionPeriod }),
    warmupEpochs: options.warmupEpochs,
    tailEpochs: options.tailEpochs,
    shardMode: options.shardMode,
    positionMultiple: options.positionMultiple,
    nonFinite: options.nonFinite,
  }
}

function policyOf({ policy, epsilon, alpha, c }: ResolvedTrainOptions): Policy {
  const moving = alpha === undefined ? {} : { alpha }
  switch (policy) {
    case 'full':
      return full()
    case 'static_random':
      return staticRandom()
    case 'random':
      return random()
    case 'epsilon_greedy':
      return epsilonGreedy({ ...moving, ...(epsilon !== undefined && { epsilon }) })
    case 'ucb':
      return ucb({ ...moving, ...(c !== undefined && { c }) })
    case 'order_dp':
      return orderDp()
  }
}

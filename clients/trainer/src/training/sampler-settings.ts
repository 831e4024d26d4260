import type { CreateRunOptions, Policy } from '@keepset/client'
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
    scoreSource: options.scoreSource,
    shardMode: options.shardMode,
    positionMultiple: options.positionMultiple,
    nonFinite: options.nonFinite,
    ...given({
      selectionPeriod: options.selectionPeriod,
      warmupEpochs: options.warmupEpochs,
      tailEpochs: options.tailEpochs,
      weights: options.weights,
      weightCap: options.weightCap,
      batchLossMomentum: options.batchLossMomentum,
      scoreLeftOut: options.scoreLeftOut,
      metrics: options.columns,
    }),
  }
}

/** Leaves out what is undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}

function policyOf({ policy, policySettings }: ResolvedTrainOptions): Policy {
  const camelCase = (name: string) => name.replace(/_[a-z]/g, ([, letter = '']) => letter.toUpperCase())
  const settings = Object.entries(policySettings).map(([name, value]) => [camelCase(name), value])
  return { kind: policy, ...Object.fromEntries(settings) }
}

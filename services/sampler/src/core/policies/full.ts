import { mustBeZero, noSettings, type Policy } from './policy.js'

export type FullSettings = Record<never, never>

/**
 * Keeps everything, each epoch: the baseline.
 * Bias: none. Cost: nothing is left out; runs of this policy have prune rate 0, so that keptCount = N.
 */
export const full: Policy<FullSettings> = {
  ...noSettings,
  checkPruneRate: mustBeZero('policy full keeps everything'),
  select: ({ builder }) => builder.addEverything(),
}

import { purpose } from '../random/random-stream.js'
import { noSettings, type Policy } from './policy.js'

export type StaticRandomSettings = Record<never, never>

/**
 * k samples drawn once, uniformly without replacement, and kept for the whole run: the stream is that of epoch 0, whatever the epoch.
 * Bias: the model never sees the others after the warm-up. Cost: O(N). The baseline of static pruning in Raju et al. 2021.
 */
export const staticRandom: Policy<StaticRandomSettings> = {
  ...noSettings,
  select: ({ builder, keptCount, seed }) => builder.addDrawn(keptCount, { seed, epoch: 0, purpose: purpose.draw }),
}

import { purpose } from '../random/random-stream.js'
import { noSettings, type Policy } from './policy.js'

export type RandomSettings = Record<never, never>

/**
 * k samples drawn uniformly without replacement at each selection ("uniform dynamic" in Raju et al. 2021).
 * Bias: none; every sample is kept with probability k / N. Cost: O(N).
 */
export const random: Policy<RandomSettings> = {
  ...noSettings,
  select: ({ builder, keptCount, epoch, seed }) => builder.addDrawn(keptCount, { seed, epoch, purpose: purpose.draw }),
}

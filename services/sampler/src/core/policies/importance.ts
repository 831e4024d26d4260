import { checkRange } from '../field-violation.js'
import { purpose } from '../random/random-stream.js'
import { powerSizes } from '../selection/power-sizes.js'
import { noSettings, type Policy } from './policy.js'

/** Far above any use: f32 would make sizes of 0 and the largest f32 of nearly all losses. */
export const MAX_EXPONENT = 16

export interface ImportanceSettings {
  /** Power of the mean loss, 0 to MAX_EXPONENT; 0 makes all samples equal. */
  readonly exponent: number
  /** Share of the probability that all samples have alike, 0 to 1: bounds the weights by N / (uniformShare k). */
  readonly uniformShare: number
}

/**
 * k samples, drawn without replacement with inclusion probabilities in proportion to max(0, mean loss) ^ exponent, smoothed with a uniform share, of at most 1 each;
 * see `drawWeighted`. Weight: 1 / inclusion probability.
 * Bias: of the weighted sum of losses none (Horvitz-Thompson), unless the uniform share is 0: then a sample of size 0 is not drawn. Without weights: towards samples
 * with a high mean loss. Cost: O(N).
 * Source: Horvitz and Thompson, "A generalization of sampling without replacement from a finite universe", Journal of the American Statistical Association 47, 1952.
 */
export const importance: Policy<ImportanceSettings> = {
  ...noSettings,
  defaults: { exponent: 1, uniformShare: 0.1 },
  check: ({ exponent, uniformShare }) => [
    ...checkRange('exponent', exponent, 0, MAX_EXPONENT),
    ...checkRange('uniform_share', uniformShare, 0, 1),
  ],
  runDefaults: () => ({ weights: 'on' }),
  select({ builder, keptCount, epoch, seed }, { exponent, uniformShare }) {
    const { columns } = builder
    const sizes = powerSizes(columns, exponent, (i) => Math.max(0, columns.mean[i] as number))
    builder.addWeighted(sizes, keptCount, uniformShare, { seed, epoch, purpose: purpose.draw })
  },
}

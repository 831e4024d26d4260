import { checkRange } from '../field-violation.js'
import { purpose } from '../random/random-stream.js'
import { countUpTo } from '../selection/count-up-to.js'
import { powerSizes } from '../selection/power-sizes.js'
import { toScoreKeys } from '../selection/score-keys.js'
import { MAX_EXPONENT } from './importance.js'
import { noSettings, type Policy } from './policy.js'

export interface SelectiveBackpropSettings {
  /** Power of the share of samples with at most that loss, 0 to MAX_EXPONENT; 0 makes all samples equal. */
  readonly exponent: number
}

/**
 * k samples, drawn without replacement with inclusion probabilities in proportion to CDF(last loss) ^ exponent, of at most 1 each; see `drawWeighted`.
 * CDF(l) = share of the samples with a loss whose last loss is at most l, above 0. Weight, where weights are on: 1 / inclusion probability.
 * Bias: towards samples with a high last loss, by its rank; with weights none, unless the power is so high that f32 makes 0 of a size: such a sample is not drawn.
 * Losses are those of the last time, not of a forward pass before each step as in the paper. Cost: O(N).
 * Source: Selective-Backprop, Jiang et al. 2019 (arXiv 1910.00762).
 */
export const selectiveBackprop: Policy<SelectiveBackpropSettings> = {
  ...noSettings,
  defaults: { exponent: 1 },
  check: ({ exponent }) => checkRange('exponent', exponent, 0, MAX_EXPONENT),
  select({ builder, keptCount, epoch, seed }, { exponent }) {
    const { columns } = builder
    // Samples without a loss have the largest keys: no other counts them.
    const counts = countUpTo(toScoreKeys(columns.lastLoss.slice(), columns))
    const seen = columns.observations.reduce((found, observations) => found + Number(observations > 0), 0)
    const sizes = powerSizes(columns, exponent, (i) => (counts[i] as number) / seen)
    builder.addWeighted(sizes, keptCount, 0, { seed, epoch, purpose: purpose.draw })
  },
}

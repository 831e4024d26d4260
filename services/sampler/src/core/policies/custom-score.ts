import { checkRange } from '../field-violation.js'
import { purpose } from '../random/random-stream.js'
import { UNSEEN_SIZE } from '../selection/draw-weighted.js'
import { noSettings, type Policy } from './policy.js'

export interface CustomScoreSettings {
  /** Whether to draw in proportion to the score; else the largest scores are kept. */
  readonly draw: boolean
  /** Where drawn: share of the probability that all samples have alike, 0 to 1. */
  readonly uniformShare: number
}

const METRIC = 'score'

/**
 * The k samples with the largest value of the metric `score` that the trainer reported last; or, with `draw`, k drawn without replacement with inclusion probabilities in
 * proportion to max(0, score), smoothed with a uniform share, of at most 1 each, and the weight 1 / inclusion probability: see `drawWeighted`.
 * Samples without a score come before all others.
 * Bias: the largest scores: towards what the score says, and scores of samples that are left out grow stale. Drawn: of the weighted sum none. Cost: O(N).
 */
export const customScore: Policy<CustomScoreSettings> = {
  ...noSettings,
  defaults: { draw: false, uniformShare: 0.1 },
  check: ({ uniformShare }) => checkRange('uniform_share', uniformShare, 0, 1),
  metrics: () => [METRIC],
  runDefaults: ({ draw }) => (draw ? { weights: 'on' } : {}),
  select({ builder, column, keptCount, epoch, seed }, { draw, uniformShare }) {
    const scores = column(METRIC)
    if (draw) {
      const sizes = scores.map((score) => (Number.isNaN(score) ? UNSEEN_SIZE : Math.max(0, score)))
      builder.addWeighted(sizes, keptCount, uniformShare, { seed, epoch, purpose: purpose.draw })
      return
    }
    const missingFirst = scores.map((score) => (Number.isNaN(score) ? Number.POSITIVE_INFINITY : score))
    builder.addTopOf(missingFirst, keptCount, { seed, epoch, purpose: purpose.ties })
  },
}

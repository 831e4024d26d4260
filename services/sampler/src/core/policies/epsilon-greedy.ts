import { checkRange } from '../field-violation.js'
import { purpose } from '../random/random-stream.js'
import { share } from '../share.js'
import { checkStatistics, defaultStatistics, type StatisticsSettings } from '../statistics/sample-statistics.js'
import type { Policy } from './policy.js'

export interface EpsilonGreedySettings extends StatisticsSettings {
  /** Share of the kept set that is drawn uniformly, 0 to 1. */
  readonly epsilon: number
}

/**
 * The k - n samples with the largest mean loss, then n = floor(epsilon k) drawn uniformly without replacement from all others.
 * Bias: towards samples with a high moving mean; the drawn share is unbiased over what is left. Cost: O(N).
 * Source: Raju, Daruwalla, Lipasti 2021 (arXiv 2111.12621), by its public re-implementations.
 */
export const epsilonGreedy: Policy<EpsilonGreedySettings> = {
  defaults: { epsilon: 0.1, ...defaultStatistics },
  check: (settings) => [...checkRange('epsilon', settings.epsilon, 0, 1), ...checkStatistics(settings)],
  statistics: (settings) => settings,
  select({ builder, keptCount, epoch, seed }, { epsilon }) {
    const exploredCount = share(epsilon, keptCount)
    builder.addTop(keptCount - exploredCount, 0, { seed, epoch, purpose: purpose.ties })
    builder.addDrawn(exploredCount, { seed, epoch, purpose: purpose.explore })
  },
}

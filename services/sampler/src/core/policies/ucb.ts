import { checkRange } from '../field-violation.js'
import { purpose } from '../random/random-stream.js'
import { checkStatistics, defaultStatistics, type StatisticsSettings } from '../statistics/sample-statistics.js'
import type { Policy } from './policy.js'

export interface UcbSettings extends StatisticsSettings {
  /** Weight of the variance, at least 0. */
  readonly c: number
}

/** Far above any use, and finite in f32. */
const MAX_C = 1e30

/**
 * The k samples with the largest mean + c * variance of the loss: variance, not its root, and no log t / n term.
 * Bias: towards hard and unsteady samples; no exploration but what stale statistics bring. Cost: O(N).
 * Source: Raju, Daruwalla, Lipasti 2021 (arXiv 2111.12621), by its public re-implementations.
 */
export const ucb: Policy<UcbSettings> = {
  defaults: { c: 1, ...defaultStatistics },
  check: (settings) => [...checkRange('c', settings.c, 0, MAX_C), ...checkStatistics(settings)],
  statistics: (settings) => settings,
  select({ builder, keptCount, epoch, seed }, { c }) {
    builder.addTop(keptCount, c, { seed, epoch, purpose: purpose.ties })
  },
}

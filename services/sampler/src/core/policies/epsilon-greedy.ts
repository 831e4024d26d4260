import { checkRange } from '../field-violation.js'
import { choose } from '../random/choose.js'
import { purpose } from '../random/random-stream.js'
import { toScoreKeys } from '../selection/score-keys.js'
import { selectTop } from '../selection/top.js'
import { share } from '../share.js'
import { checkStatistics, defaultStatistics, type StatisticsSettings } from '../statistics/sample-statistics.js'
import type { Policy } from './policy.js'

export interface EpsilonGreedySettings extends StatisticsSettings {
  /** Share of the kept set that is drawn uniformly, 0 to 1. */
  readonly epsilon: number
}

/** Indices 0 to count - 1 that are not in `taken`, which is ascending. */
function complement(taken: Uint32Array, count: number): Uint32Array {
  const rest = new Uint32Array(count - taken.length)
  let next = 0
  let length = 0
  for (let i = 0; i < count; i++) {
    if (taken[next] === i) next++
    else rest[length++] = i
  }
  return rest
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
  select({ statistics, keptCount, epoch, random }, { epsilon }) {
    const exploredCount = share(epsilon, keptCount)
    const keys = toScoreKeys(statistics.mean.slice(), statistics)
    const kept = new Uint32Array(keptCount)
    const hardest = selectTop(keys, keptCount - exploredCount, random(purpose.ties, epoch))
    kept.set(hardest)
    if (exploredCount === 0) return kept
    const rest = complement(hardest, statistics.sampleCount)
    const explored = choose(exploredCount, rest.length, random(purpose.explore, epoch))
    for (let i = 0; i < exploredCount; i++) kept[hardest.length + i] = rest[explored[i] as number] as number
    return kept.sort()
  },
}

import type { KeptSet } from '../../selection/kept-set.js'
import { PlainKeptSetBuilder } from '../../selection/plain-kept-set-builder.js'
import { keptCount } from '../../share.js'
import { SampleStatistics } from '../../statistics/sample-statistics.js'
import { type PolicyChoice, selectKeptSet, statisticsSettings } from '../registry.js'

/** Statistics of samples that had these losses, one each; undefined: none. */
export function statisticsOf(choice: PolicyChoice, losses: readonly (number | undefined)[]): SampleStatistics {
  const statistics = new SampleStatistics(losses.length, statisticsSettings(choice), { metrics: ['score'] })
  losses.forEach((loss, i) => {
    if (loss !== undefined) statistics.observe(i, loss)
  })
  return statistics
}

/** A request for a selection at epoch 1 that keeps nothing, of a run with the metric `score`. */
export const requestFor = (policy: PolicyChoice) => ({
  policy,
  columnNames: ['score'],
  pruneRate: 0,
  keptCount: 0,
  epoch: 1,
  totalEpochs: undefined,
  selectionPeriod: 1,
  selections: 0,
  seed: 0n,
  weights: { cap: undefined },
})

/** What the policy keeps, with weights. */
export function selectFrom(
  policy: PolicyChoice,
  statistics: SampleStatistics,
  { pruneRate = 0, seed = 0, epoch = 1 } = {},
): KeptSet {
  const count = keptCount(pruneRate, statistics.sampleCount)
  const request = { ...requestFor(policy), pruneRate, keptCount: count, seed: BigInt(seed), epoch }
  return selectKeptSet(request, new PlainKeptSetBuilder(statistics, true))
}

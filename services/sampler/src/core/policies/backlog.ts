import { purpose } from '../random/random-stream.js'
import type { OwnColumns } from '../statistics/own-columns.js'
import { checkStatistics, defaultStatistics, type StatisticsSettings } from '../statistics/sample-statistics.js'
import type { Policy } from './policy.js'

export type BacklogSettings = StatisticsSettings

/** Epoch in which a sample was last trained on. */
const TRAINED = 'backlog_trained'

const ownColumns: OwnColumns = {
  names: [TRAINED],
  observe([trained], { index, epoch, isTrained }) {
    if (trained && isTrained) trained[index] = epoch
  },
}

/**
 * About what a step of gradient descent takes away from a sample's cross entropy with a one-hot target: its gradient by the logits has a squared norm of (1 - p)^2 to
 * 2 (1 - p)^2, where p = exp(-loss) is the probability of the right class.
 */
function gain(loss: number): number {
  const wrong = Math.expm1(-Math.max(0, loss))
  return wrong * wrong
}

/**
 * The k samples with the largest gain * periods waited, rounded to f32. Gain: (1 - exp(-max(0, mean loss)))^2, from 0 to 1. Waited: 1 for what the last epoch trained on,
 * and 1 more for each selection period since; what was never trained on waits since before the first epoch. Samples without a loss come before all others.
 * The gain is what arrives while a sample waits, and training serves the longest queues, as Max-Weight schedulers do. What has twice the gain comes up about twice as
 * often, every time at most. While all losses are high this walks the data set in turns, as `rs2` does; once most samples are learnt it keeps the others, as `ucb` does.
 * A sample with a loss of 0 is not kept again, and one with a small loss rarely within a training. One whose losses are NaN from some epoch on is never trained on again by
 * this count, and comes up more and more.
 * Bias: towards samples with a high mean loss, in proportion to their gain over the epochs. Cost: O(N), and 4 bytes a sample.
 * Source: our own, after Max-Weight: Tassiulas and Ephremides, "Stability properties of constrained queueing systems and scheduling policies for maximum throughput in multihop
 * radio networks", IEEE Transactions on Automatic Control 37, 1992.
 */
export const backlog: Policy<BacklogSettings> = {
  defaults: defaultStatistics,
  check: checkStatistics,
  statistics: (settings) => settings,
  ownColumns: () => ownColumns,
  select({ builder, column, keptCount, epoch, selectionPeriod, seed }) {
    const { mean, observations } = builder.columns
    const trained = column(TRAINED)
    const scores = new Float32Array(builder.sampleCount)
    for (let index = 0; index < scores.length; index++) {
      const since = Number.isNaN(trained[index]) ? epoch + 1 : epoch - (trained[index] as number)
      const waited = Math.max(1, 1 + (since - 1) / selectionPeriod)
      scores[index] = observations[index] === 0 ? Number.POSITIVE_INFINITY : gain(mean[index] as number) * waited
    }
    builder.addTopOf(scores, keptCount, { seed, epoch, purpose: purpose.ties })
  },
}

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
 * About what a step of gradient descent takes away from a sample's cross entropy: its gradient by the logits has a squared norm of (1 - p)^2 to 2 (1 - p)^2, where
 * p = exp(-loss) is the probability of the right class.
 */
const gain = (loss: number) => Math.expm1(-Math.max(0, loss)) ** 2

/**
 * The k samples with the largest gain * periods waited, rounded to f32. Gain: (1 - exp(-max(0, mean loss)))^2, from 0 to 1. Waited: ceil(epochs since the sample was last
 * trained on / selection period), 1 for what was kept by the selection before; of a sample that was never trained on, the epochs since the run began. Samples without a
 * loss come before all others.
 * The gain is what arrives while a sample waits, and training serves the longest queues: the Max-Weight rule of scheduling. What has twice the gain comes up about twice as
 * often, and whatever has any comes up in the end, so that no mean is old for long. While all losses are high this walks the data set in turns, as `rs2` does; once most
 * samples are learnt it keeps the others, as `ucb` does.
 * Bias: towards samples with a high mean loss, in proportion to their gain over the epochs. Cost: O(N), and 4 bytes a sample.
 * Source: our own. Max-Weight: Tassiulas and Ephremides, "Stability properties of constrained queueing systems and scheduling policies for maximum throughput in multihop
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
      const score = gain(mean[index] as number) * Math.ceil(since / selectionPeriod)
      scores[index] = observations[index] === 0 ? Number.POSITIVE_INFINITY : score
    }
    builder.addTopOf(scores, keptCount, { seed, epoch, purpose: purpose.ties })
  },
}

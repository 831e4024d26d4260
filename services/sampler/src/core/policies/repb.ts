import type { FieldViolation } from '../field-violation.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { addOrEverything } from '../selection/add-or-everything.js'
import type { ObservedReport, OwnColumns } from '../statistics/own-columns.js'
import { mustBeZero, noSettings, type Policy } from './policy.js'

export interface RepbSettings {
  /** Probability with which a sample that may be left out is, 0 to below 1. */
  readonly rho: number
}

/** Epoch in which a sample was last trained on, plus 1; negative where its loss was below the mean of its report. */
const ABOVE = 'repb_above'

/** Times that a sample was trained on. */
const TIMES = 'repb_times'

const TWO_POW_32 = 2 ** 32

/** The mean loss of a report: summed up in f64 in its order, rounded to f32. */
function meanLoss({ losses }: ObservedReport): number {
  let sum = 0
  for (let i = 0; i < losses.length; i++) sum += losses[i] as number
  return Math.fround(sum / losses.length)
}

const ownColumns: OwnColumns = {
  names: [ABOVE, TIMES],
  ofReport: (_, report) => meanLoss(report),
  observe([above, times], { index, loss, epoch, ofReport, isTrained }) {
    if (!above || !times || !isTrained) return
    above[index] = loss >= ofReport ? epoch + 1 : -(epoch + 1)
    times[index] = 1 + (Number.isNaN(times[index]) ? 0 : (times[index] as number))
  },
}

const checkRho = ({ rho }: RepbSettings): FieldViolation[] =>
  rho >= 0 && rho < 1 ? [] : [{ field: 'rho', description: `rho is ${rho}; it must be at least 0 and below 1` }]

/**
 * A sample whose loss of the last epoch was at least the mean of its report is kept. Every other one that has a loss, be it that its last one was below or that it was
 * left out, is kept with probability 1 - rho, each by a coin of its own. Samples without a loss are kept. Where all this keeps nothing, all are kept.
 * Weight: max(1, epochs so far / times trained on), which stands for the epochs that the sample missed; 1 without a loss. Scored losses count for neither.
 * Bias: towards samples above the mean of their report, which the weights make up for over the epochs, not within one. Cost: O(N), and 8 bytes a sample.
 * Source: RePB, ICLR 2026.
 */
export const repb: Policy<RepbSettings> = {
  ...noSettings,
  defaults: { rho: 0.5 },
  check: checkRho,
  countIsOwn: () => true,
  checkPruneRate: mustBeZero('policy repb leaves out what rho and the losses say'),
  ownColumns: () => ownColumns,
  runDefaults: () => ({ selectionPeriod: 1, weights: 'on' }),
  select({ builder, column, epoch, seed }, { rho }) {
    const [above, times] = [column(ABOVE), column(TIMES)]
    const coins = new RandomStream(seed, epoch, purpose.draw)
    const heads = (1 - rho) * TWO_POW_32
    const indices = new Uint32Array(builder.sampleCount)
    const weights = new Float32Array(builder.sampleCount)
    let kept = 0
    for (let index = 0; index < indices.length; index++) {
      const trained = times[index] as number
      const isNew = Number.isNaN(trained)
      const isKept = isNew || above[index] === epoch || coins.next() < heads
      if (!isKept) continue
      indices[kept] = index
      weights[kept++] = isNew ? 1 : Math.max(1, epoch / Math.max(1, trained))
    }
    addOrEverything(builder, indices.subarray(0, kept), weights.subarray(0, kept))
  },
}

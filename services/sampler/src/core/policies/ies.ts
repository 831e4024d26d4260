import type { FieldViolation } from '../field-violation.js'
import { addOrEverything } from '../selection/add-or-everything.js'
import type { OwnColumns } from '../statistics/own-columns.js'
import { mustBeZero, noSettings, type Policy } from './policy.js'

export interface IesSettings {
  /** A mean below it says that a loss has come to rest; at least 0. */
  readonly tau: number
}

const { abs, fround } = Math

/** The loss before the last, and the last three differences d, the oldest first. */
const PREVIOUS_LOSS = 'ies_previous_loss'
const DIFFERENCES = ['ies_difference_1', 'ies_difference_2', 'ies_difference_3'] as const

const ownColumns: OwnColumns = {
  names: [PREVIOUS_LOSS, ...DIFFERENCES],
  observe(columns, { index, loss, previousLoss, observations }) {
    const [beforePrevious, oldest, middle, latest] = columns as [Float32Array, Float32Array, Float32Array, Float32Array]
    oldest[index] = middle[index] as number
    middle[index] = latest[index] as number
    // NaN up to the second loss, when there is no loss before the previous one.
    latest[index] = abs(fround(fround(loss - fround(2 * previousLoss)) + (beforePrevious[index] as number)))
    if (observations >= 2) beforePrevious[index] = previousLoss
  },
}

const checkTau = ({ tau }: IesSettings): FieldViolation[] =>
  tau >= 0 && tau < Number.POSITIVE_INFINITY
    ? []
    : [{ field: 'tau', description: `tau is ${tau}; it must be at least 0 and finite` }]

/**
 * d = |l_t - 2 l_(t-1) + l_(t-2)| for a sample's last three losses: how much its loss bends. A sample is left out where the mean of its last three d is below tau,
 * and kept where it has fewer than five losses. Where that would keep nothing, all are kept. Each step in f32.
 * What is left out has a forward pass at each epoch, so that it comes back when its loss moves again.
 * Bias: towards samples whose loss still moves, whether it is high or low. Cost: O(N), and 16 bytes a sample.
 * Source: IES, "Instance-dependent Early Stopping", ICLR 2025.
 */
export const ies: Policy<IesSettings> = {
  ...noSettings,
  defaults: { tau: 0.001 },
  check: checkTau,
  countIsOwn: () => true,
  checkPruneRate: mustBeZero('policy ies leaves out what tau says'),
  ownColumns: () => ownColumns,
  runDefaults: () => ({ selectionPeriod: 1, scoreLeftOut: true }),
  select({ builder, column }, settings) {
    const [oldest, middle, latest] = DIFFERENCES.map(column) as [Float32Array, Float32Array, Float32Array]
    const tau = fround(settings.tau)
    const indices = new Uint32Array(builder.sampleCount)
    let kept = 0
    for (let index = 0; index < indices.length; index++) {
      const sum = fround(fround((oldest[index] as number) + (middle[index] as number)) + (latest[index] as number))
      // Without three differences the sum is NaN, which is not below tau.
      if (!(fround(sum / 3) < tau)) indices[kept++] = index
    }
    addOrEverything(builder, indices.subarray(0, kept))
  },
}

import { checkInteger, type FieldViolation } from '../field-violation.js'
import { choose } from '../random/choose.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { addOrEverything } from '../selection/add-or-everything.js'
import { kMeansBounds } from '../selection/k-means.js'
import { share } from '../share.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import { mustBeZero, noSettings, type Policy } from './policy.js'

export interface SetaSettings {
  /** Share of the samples that is left out at random, 0 to below 1. */
  readonly dropRate: number
  /** Number of groups, 2 to 1,000. */
  readonly groups: number
  /** Share of the groups that is kept, above 0 to 1. */
  readonly window: number
}

/** Those samples with a loss, ascending, that are not left out at random. */
function drawSurvivors({ observations }: StatisticsColumns, dropRate: number, random: RandomStream): Uint32Array {
  const seen = new Uint32Array(observations.length)
  let count = 0
  for (let index = 0; index < observations.length; index++) if (observations[index] !== 0) seen[count++] = index
  return choose(count - share(dropRate, count), count, random).map((position) => seen[position] as number)
}

/** To the nearest integer, from halfway to the even one. */
function roundToEven(value: number): number {
  const nearest = Math.round(value)
  return nearest - value === 0.5 && nearest % 2 === 1 ? nearest - 1 : nearest
}

/** For each group, 0 being the easiest, whether the window has it after so many selections. */
function inWindow(groups: number, window: number, selections: number): boolean[] {
  const size = Math.max(1, roundToEven(window * groups))
  const first = selections % groups
  return Array.from({ length: groups }, (_, group) => (group - first + groups) % groups < size)
}

/** The group in whose bounds a value lies: the number of bounds below it. */
function groupOf(value: number, bounds: Float64Array): number {
  let low = 0
  let high = bounds.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((bounds[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

const checkDropRate = ({ dropRate }: SetaSettings): FieldViolation[] =>
  dropRate >= 0 && dropRate < 1
    ? []
    : [{ field: 'drop_rate', description: `drop_rate is ${dropRate}; it must be at least 0 and below 1` }]

const checkWindow = ({ window }: SetaSettings): FieldViolation[] =>
  window > 0 && window <= 1
    ? []
    : [{ field: 'window', description: `window is ${window}; it must be above 0 and at most 1` }]

/**
 * Of the n samples that have a loss, share(dropRate, n) are left out, drawn uniformly. The last losses of the others make g = `groups` groups, from the
 * easiest to the hardest (1-D k-means, see `kMeansBounds`). w = max(1, round(window g)) of them are kept, halves rounded to even: at the s-th selection,
 * the first being the 0th, the groups s, s + 1, ..., s + w - 1, each modulo g. Samples without a loss are kept. Where all this keeps nothing, all are kept.
 * Bias: the g - w groups outside the window are not seen at all until it has moved on; each group is kept at w of g selections. No weights.
 * Cost: O(N log N), for the sorted losses.
 * Source: SeTa, Zhou et al., "Scale Efficient Training for Large Datasets", CVPR 2025. In the authors' code the window does not wrap: it
 * starts again from the easiest group when it has reached the hardest, and has all groups at the first selection.
 */
export const seta: Policy<SetaSettings> = {
  ...noSettings,
  defaults: { dropRate: 0.1, groups: 5, window: 0.9 },
  check: (settings) => [
    ...checkDropRate(settings),
    ...checkInteger('groups', settings.groups, 2, 1000),
    ...checkWindow(settings),
  ],
  countIsOwn: () => true,
  checkPruneRate: mustBeZero('policy seta leaves out what its own settings say'),
  runDefaults: () => ({ selectionPeriod: 1 }),
  select({ builder, epoch, selections, seed }, { dropRate, groups, window }) {
    const { lastLoss, observations } = builder.columns
    const survivors = drawSurvivors(builder.columns, dropRate, new RandomStream(seed, epoch, purpose.draw))
    const losses = Float32Array.from(survivors, (index) => lastLoss[index] as number)
    const bounds = kMeansBounds(losses.sort(), groups)
    const isKept = inWindow(groups, window, selections)
    const indices = new Uint32Array(builder.sampleCount)
    let kept = 0
    let passed = 0
    for (let index = 0; index < indices.length; index++) {
      const survived = survivors[passed] === index
      if (survived) passed++
      if (observations[index] === 0 || (survived && isKept[groupOf(lastLoss[index] as number, bounds)])) {
        indices[kept++] = index
      }
    }
    addOrEverything(builder, indices.subarray(0, kept))
  },
}

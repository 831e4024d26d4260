import type { FieldViolation } from '../field-violation.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { toScoreKeys } from '../selection/score-keys.js'
import { selectTop } from '../selection/top.js'
import { share } from '../share.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import { noSettings, type Policy } from './policy.js'

export interface InfoBatchSettings {
  /** Share of the samples below the threshold that is left out, above 0 and below 1. */
  readonly r: number
}

function checkShare(r: number): FieldViolation[] {
  if (r > 0 && r < 1) return []
  return [{ field: 'r', description: `r is ${r}; it must be above 0 and below 1` }]
}

/** Samples that are not below the mean last loss of all that have one, the mean rounded to f32, and those without a loss; ascending. */
function notBelowMean({ lastLoss, observations }: StatisticsColumns): Uint32Array {
  let sum = 0
  let seen = 0
  for (let i = 0; i < lastLoss.length; i++) {
    if (observations[i] === 0) continue
    sum += lastLoss[i] as number
    seen++
  }
  const mean = Math.fround(sum / seen)
  const indices = new Uint32Array(lastLoss.length)
  let found = 0
  for (let i = 0; i < lastLoss.length; i++) {
    if (observations[i] === 0 || (lastLoss[i] as number) >= mean) indices[found++] = i
  }
  return indices.subarray(0, found)
}

/**
 * Of the m samples with a last loss below a threshold, some are kept, drawn uniformly without replacement, with the weight m / kept; all others are
 * kept with the weight 1. Prune rate 0: the threshold is the mean, and floor((1 - r) m) are kept, at least 1. Prune rate p above 0, at most r: the m = floor(p N / r)
 * smallest (but at least N - k), and as many are kept as make k in all, so that the saving is p whatever the losses.
 * Bias: of the weighted sum of losses none, since the weights are the inverse of what was drawn. Only where a prune rate is so small that none of the m is kept
 * are these few left out for good. Without weights: towards samples with a high last loss. Cost: O(N).
 * Source: InfoBatch, Qin et al., ICLR 2024 (arXiv 2303.04947), whose weight is the nominal 1 / (1 - r); by default the last eighth of the epochs is full, as there.
 */
export const infoBatch: Policy<InfoBatchSettings> = {
  ...noSettings,
  defaults: { r: 0.5 },
  check: ({ r }) => checkShare(r),
  checkPruneRate: (pruneRate, { r }) =>
    pruneRate <= r ? undefined : `it must be at most ${r}, the r of policy info_batch`,
  countIsOwn: (pruneRate) => pruneRate === 0,
  runDefaults: (_, totalEpochs) => ({
    selectionPeriod: 1,
    weights: 'on',
    ...(totalEpochs === undefined ? {} : { tailEpochs: Math.round(totalEpochs / 8) }),
  }),
  select({ builder, pruneRate, keptCount, epoch, seed }, { r }) {
    const { sampleCount, columns } = builder
    const draw = { seed, epoch, purpose: purpose.draw }
    if (pruneRate === 0) {
      builder.add(notBelowMean(columns))
      const below = sampleCount - builder.count
      builder.addDrawn(below === 0 ? 0 : Math.max(1, share(1 - r, below)), draw)
      return
    }
    const below = Math.max(share(pruneRate / r, sampleCount), sampleCount - keptCount)
    const ties = new RandomStream(seed, epoch, purpose.ties)
    builder.add(selectTop(toScoreKeys(columns.lastLoss.slice(), columns), sampleCount - below, ties))
    builder.addDrawn(keptCount - builder.count, draw)
  },
}

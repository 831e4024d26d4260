import { checkRange } from '../field-violation.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { toScoreKeys } from '../selection/score-keys.js'
import { selectTop } from '../selection/top.js'
import { share } from '../share.js'
import { noSettings, type Policy } from './policy.js'

export interface KakurenboSettings {
  /** Confidence from which on a right prediction is sure, 0 to 1. */
  readonly confidence: number
}

/** Factors of the prune rate, each from a tenth of the training on; the last one that has begun holds. */
const decay = [
  { fromTenth: 8, factor: 0.4 },
  { fromTenth: 6, factor: 0.6 },
  { fromTenth: 3, factor: 0.8 },
] as const

/** F: the share of the samples that are candidates at an epoch. In tenths, since 0.3 * totalEpochs is not exact. */
function candidateShare(pruneRate: number, epoch: number, totalEpochs: number | undefined): number {
  if (totalEpochs === undefined) return pruneRate
  const begun = decay.find(({ fromTenth }) => 10 * epoch >= fromTenth * totalEpochs)
  return pruneRate * (begun?.factor ?? 1)
}

/**
 * Candidates to be left out are the share(F, N) samples with the lowest last loss. Moved back, and so kept with all the others, are those that were mispredicted,
 * those that were right with a confidence below the setting, those that lack one of the two metrics, and those without a loss.
 * F = p f for the prune rate p; f is 1, 0.8, 0.6 and 0.4 from the epochs 0, 0.3 T, 0.6 T and 0.8 T of T on, and 1 where T is not known.
 * The learning rate is to be multiplied by 1 / (1 - F).
 * Bias: towards samples that are not learnt yet, less so the later it is. Cost: O(N), and a forward pass of what is left out, so that it can come back.
 * Source: KAKURENBO, Nguyen et al., NeurIPS 2023 (arXiv 2310.10102).
 */
export const kakurenbo: Policy<KakurenboSettings> = {
  ...noSettings,
  defaults: { confidence: 0.7 },
  check: ({ confidence }) => checkRange('confidence', confidence, 0, 1),
  countIsOwn: () => true,
  metrics: () => ['correct', 'confidence'],
  runDefaults: () => ({ selectionPeriod: 1, scoreLeftOut: true }),
  learningRateFactor: (pruneRate, epoch, totalEpochs) => 1 / (1 - candidateShare(pruneRate, epoch, totalEpochs)),
  select({ builder, column, pruneRate, epoch, totalEpochs, seed }, settings) {
    const { sampleCount, columns } = builder
    const { lastLoss, observations } = columns
    const correct = column('correct')
    const confidence = column('confidence')
    const sure = Math.fround(settings.confidence)
    const certain = sampleCount - share(candidateShare(pruneRate, epoch, totalEpochs), sampleCount)
    const ties = new RandomStream(seed, epoch, purpose.ties)
    const top = selectTop(toScoreKeys(lastLoss.slice(), columns), certain, ties)
    const indices = new Uint32Array(sampleCount)
    let kept = 0
    let passed = 0
    for (let index = 0; index < sampleCount; index++) {
      const isInTop = top[passed] === index
      if (isInTop) passed++
      const isSure = correct[index] === 1 && (confidence[index] as number) >= sure
      if (isInTop || !isSure || observations[index] === 0) indices[kept++] = index
    }
    builder.add(indices.subarray(0, kept))
  },
}

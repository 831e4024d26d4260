import { purpose, RandomStream } from '../random/random-stream.js'
import { toKeys } from '../selection/score-keys.js'
import { selectTop } from '../selection/top.js'
import { noSettings, type Policy } from './policy.js'

export type Rs2Settings = Record<never, never>

/**
 * The k samples that were kept the fewest times, drawn uniformly without replacement among equals: the same as to walk one random permutation in pieces of k,
 * and a new one when it is used up. A piece that crosses has the rest of the old one, and for what is missing the first of the new one among all others.
 * All weights are N / k, since every sample is kept with probability k / N. Times kept are counted to 65,535: from there on the draw is that of `random`.
 * Bias: none; no losses are used. Cost: O(N).
 * Source: RS2, Okanovic et al., ICLR 2024 (arXiv 2305.18424).
 */
export const rs2: Policy<Rs2Settings> = {
  ...noSettings,
  runDefaults: () => ({ selectionPeriod: 1 }),
  select({ builder, keptCount, epoch, seed }) {
    const { sampleCount, columns } = builder
    const fewestFirst = Float32Array.from(columns.timesKept, (times) => -times)
    const kept = selectTop(toKeys(fewestFirst), keptCount, new RandomStream(seed, epoch, purpose.draw))
    builder.add(kept, new Float32Array(keptCount).fill(sampleCount / keptCount))
  },
}

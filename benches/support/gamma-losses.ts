import type { SampleStatistics } from '../../services/sampler/src/core/statistics/sample-statistics.js'
import { seededRandom } from '../../test/support/random.js'

/** Losses to draw from. A power of two. */
const TABLE = 0x10000

/** Losses as of a gamma distribution (shape 2, mean 1); half of them in steps of 1/32, so that many tie. */
function gammaTable(random: () => number): Float32Array {
  return Float32Array.from({ length: TABLE }, (_, i) => {
    const loss = -0.5 * Math.log((1 - random()) * (1 - random()))
    return i % 2 === 0 ? Math.round(loss * 32) / 32 : loss
  })
}

/** Draws losses, always the same ones for a seed. */
export function gammaLosses(seed: number): () => number {
  const random = seededRandom(seed)
  const table = gammaTable(random)
  return () => table[Math.floor(random() * TABLE)] as number
}

/** Gives each sample two losses. */
export function observeTwice(statistics: SampleStatistics, seed: number): void {
  const draw = gammaLosses(seed)
  for (let index = 0; index < statistics.sampleCount; index++) {
    statistics.observe(index, draw())
    statistics.observe(index, draw())
  }
}

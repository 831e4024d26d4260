import { MAX_F32 } from '../max-f32.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import { UNSEEN_SIZE } from './draw-weighted.js'

/**
 * Sizes for `drawWeighted`: `valueAt(i)` ** exponent in f64, rounded to f32 and at most the largest of them; UNSEEN_SIZE for a sample without a loss.
 * Values are finite and at least 0, and asked for only of samples that have a loss; exponent is at least 0, and 0 ** 0 = 1.
 */
export function powerSizes(
  { observations }: Pick<StatisticsColumns, 'observations'>,
  exponent: number,
  valueAt: (index: number) => number,
): Float32Array {
  const sizes = new Float32Array(observations.length).fill(UNSEEN_SIZE)
  for (let i = 0; i < sizes.length; i++) {
    if (observations[i] === 0) continue
    const value = valueAt(i)
    sizes[i] = Math.min(exponent === 1 ? value : value ** exponent, MAX_F32)
  }
  return sizes
}

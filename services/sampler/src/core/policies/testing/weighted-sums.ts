import type { KeptSet } from '../../selection/kept-set.js'

const SEEDS = 2000

/**
 * Sums of the values of the kept samples over 2,000 seeds: the error of the mean of the weighted sums, as an estimate of the sum of all values, and that of the
 * mean of the unweighted ones, scaled by N / kept; both in standard errors of the first.
 */
export function sumErrors(
  values: readonly number[],
  select: (seed: number) => KeptSet,
): { weighted: number; unweighted: number } {
  const sum = values.reduce((a, b) => a + b, 0)
  const estimates: number[] = []
  let unweighted = 0
  for (let seed = 0; seed < SEEDS; seed++) {
    const keptSet = select(seed)
    let estimate = 0
    keptSet.indices().forEach((index, at) => {
      const value = values[index] as number
      estimate += (keptSet.weights?.[at] as number) * value
      unweighted += ((values.length / keptSet.count) * value) / SEEDS
    })
    estimates.push(estimate)
  }
  const mean = estimates.reduce((a, b) => a + b, 0) / SEEDS
  const variance = estimates.reduce((total, each) => total + (each - mean) ** 2, 0) / (SEEDS - 1)
  const standardError = Math.sqrt(variance / SEEDS)
  return { weighted: Math.abs(mean - sum) / standardError, unweighted: Math.abs(unweighted - sum) / standardError }
}

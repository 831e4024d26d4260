import { short } from './table.js'

/** The value below which the share `q` of `values` lies (nearest rank). */
export function quantile(values: Iterable<number>, q: number): number {
  const sorted = Float64Array.from(values).sort()
  const value = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
  if (value === undefined) throw new RangeError('there are no values')
  return value
}

/** Median of rounds, with the least and the most. */
export function showSpread(values: readonly number[]): string {
  return `${short(quantile(values, 0.5))} (${short(Math.min(...values))} to ${short(Math.max(...values))})`
}

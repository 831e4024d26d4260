/**
 * floor(fraction * count), but a product within 1e-6 of an integer is that integer.
 * Without it 0.9 pruned of 10 samples would keep none, since (1 - 0.9) * 10 is 0.9999999999999998 in doubles.
 */
export function share(fraction: number, count: number): number {
  const product = fraction * count
  const nearest = Math.round(product)
  return Math.abs(product - nearest) < 1e-6 ? nearest : Math.floor(product)
}

/** Number of samples kept, k = floor((1 - pruneRate) * sampleCount). */
export function keptCount(pruneRate: number, sampleCount: number): number {
  return share(1 - pruneRate, sampleCount)
}

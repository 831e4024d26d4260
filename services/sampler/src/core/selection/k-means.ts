const MAX_ROUNDS = 100

/** Number of `sorted` values that are at most `bound`. */
function countAtMost(sorted: Float32Array, bound: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) <= bound) low = middle + 1
    else high = middle
  }
  return low
}

/** sums[i] = the sum of the first i values, in f64. */
function prefixSums(values: Float32Array): Float64Array {
  const sums = new Float64Array(values.length + 1)
  for (let i = 0; i < values.length; i++) sums[i + 1] = (sums[i] as number) + (values[i] as number)
  return sums
}

/** The bounds between neighbours: the middles of their centres. */
function middles(centres: Float64Array): Float64Array {
  const bounds = new Float64Array(centres.length - 1)
  for (let j = 0; j < bounds.length; j++) bounds[j] = ((centres[j] as number) + (centres[j + 1] as number)) / 2
  return bounds
}

/**
 * The bounds between `groups` groups of like values, ascending: groups - 1 of them, in f64. Group j holds the values in (bounds[j - 1], bounds[j]].
 *
 * Lloyd's algorithm in one dimension. The centres start at the quantiles (j + 0.5) / groups of the values: the elements floor(quantile * length).
 * A value belongs to the nearest centre, halfway between two to the lower one. A round moves each centre to the mean of its group, in f64 and within
 * the group; a centre without values stays. The rounds end where no value changes its group, and after 100.
 *
 * `sorted` is ascending and finite; without values the bounds are NaN. groups >= 1. Time O(length + rounds * groups * log(length)).
 * Source: Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982.
 */
export function kMeansBounds(sorted: Float32Array, groups: number): Float64Array {
  const sums = prefixSums(sorted)
  const start = (_: unknown, j: number) => sorted[Math.floor(((j + 0.5) / groups) * sorted.length)] as number
  const centres = Float64Array.from({ length: groups }, start)
  let bounds = middles(centres)
  let ends = endsOfGroups(sorted, bounds)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    moveCentres(centres, sorted, sums, ends)
    bounds = middles(centres)
    const before = ends
    ends = endsOfGroups(sorted, bounds)
    if (ends.every((end, j) => end === before[j])) break
  }
  return bounds
}

/** Of each group the position after its last value. */
function endsOfGroups(sorted: Float32Array, bounds: Float64Array): Uint32Array {
  const ends = new Uint32Array(bounds.length + 1).fill(sorted.length)
  for (let j = 0; j < bounds.length; j++) ends[j] = countAtMost(sorted, bounds[j] as number)
  return ends
}

function moveCentres(centres: Float64Array, sorted: Float32Array, sums: Float64Array, ends: Uint32Array): void {
  for (let j = 0; j < centres.length; j++) {
    const first = j === 0 ? 0 : (ends[j - 1] as number)
    const end = ends[j] as number
    if (first === end) continue
    const mean = ((sums[end] as number) - (sums[first] as number)) / (end - first)
    // Sums of values of very different sizes are rounded: the mean must not leave its group.
    centres[j] = Math.min(Math.max(mean, sorted[first] as number), sorted[end - 1] as number)
  }
}

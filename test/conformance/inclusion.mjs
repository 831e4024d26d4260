/**
 * With which probability each sample is kept by the policies that draw in proportion to a size, for the oracle: importance, selective_backprop, and custom_score with `draw`.
 * Which of the sets of that many samples a draw gives is up to the sampler; weighted-draws.test.ts says what has to hold of it.
 */

const { fround } = Math
const MAX = 3.4028234663852886e38
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0)

/** x^b in f32, at most the largest f32. */
export const power = (x, b) => Math.min(fround(b === 1 ? x : x ** b), MAX)

/** Whether the policy of a spec draws in proportion to sizes. */
export const isWeightedDraw = (spec) => Boolean(spec.importance ?? spec.selectiveBackprop ?? spec.customScore?.draw)

/** The size of each sample; undefined where it is kept before all that have one. */
export const sizesOf = {
  importance: ({ exponent = 1 }, samples) =>
    samples.map(({ seen, mean }) => (seen ? power(Math.max(0, mean), exponent) : undefined)),

  selectiveBackprop: ({ exponent = 1 }, samples) => {
    const losses = samples.filter(({ seen }) => seen).map(({ last }) => last)
    const notLarger = (loss) => losses.filter((other) => other <= loss).length / losses.length
    return samples.map(({ seen, last }) => (seen ? power(notLarger(last), exponent) : undefined))
  },

  customScore: (_, samples) =>
    samples.map(({ metrics: { score } }) => (score === undefined ? undefined : Math.max(0, score))),
}

/** Share of the probability that all samples have alike. */
export const uniformShareOf = {
  importance: ({ uniformShare = 0.1 }) => uniformShare,
  selectiveBackprop: () => 0,
  customScore: ({ uniformShare = 0.1 }) => uniformShare,
}

/** min(1, c size) of each size, with c such that the sum is k. Where too few sizes are above 0, those are certain, and the others have what is left alike. */
export function proportional(sizes, k) {
  const positive = sizes.filter((size) => size > 0).length
  if (positive <= k) {
    const rest = sizes.length === positive ? 0 : (k - positive) / (sizes.length - positive)
    return sizes.map((size) => (size > 0 ? 1 : rest))
  }
  const certain = new Set()
  for (;;) {
    const uncertain = sizes.filter((_, at) => !certain.has(at))
    const c = (k - certain.size) / sumOf(uncertain)
    const before = certain.size
    sizes.forEach((size, at) => {
      if (c * size >= 1) certain.add(at)
    })
    if (certain.size === before) return sizes.map((size, at) => (certain.has(at) ? 1 : c * size))
  }
}

/** Sizes that add up to 1, of which a share is alike for all. */
export function smooth(sizes, uniformShare) {
  const sum = sumOf(sizes)
  return sizes.map((size) => (1 - uniformShare) * (sum > 0 ? size / sum : 0) + uniformShare / sizes.length)
}

/** The probability of each sample, with sum k. The ones without a size come first, drawn uniformly among themselves where they are more than k. */
export function inclusion(sizes, k, uniformShare) {
  const unsized = sizes.filter((size) => size === undefined).length
  if (unsized >= k) return sizes.map((size) => (size === undefined ? k / unsized : 0))
  const sized = sizes.filter((size) => size !== undefined)
  const probabilities = proportional(smooth(sized, uniformShare), k - unsized)
  return sizes.map((size) => (size === undefined ? 1 : probabilities.shift()))
}

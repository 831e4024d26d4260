/** A fraction as a number, for values from 0 to 1. */
const quotient = (above: bigint, below: bigint) => Number((above << 60n) / below) / 2 ** 60

/**
 * Inclusion probabilities as `drawWeighted` describes them, by exact fractions and round after round: what has c q >= 1 is certain, then c is computed
 * again. For more kept samples than there are without a loss, and a share with at most 100 binary places. Slow.
 */
export function exactInclusion(sizes: Float32Array, count: number, uniformShare: number): number[] {
  const seen = [...sizes.keys()].filter((i) => (sizes[i] as number) >= 0)
  const wholes = new Map(seen.map((i) => [i, BigInt((sizes[i] as number) * 2 ** 149)]))
  const sum = (of: ReadonlyMap<number, bigint>) => [...of.values()].reduce((total, each) => total + each, 0n)
  const total = sum(wholes)
  const [one, share] = [2n ** 100n, BigInt(uniformShare * 2 ** 100)]
  const q = new Map(
    seen.map((i) => [
      i,
      total === 0n ? 1n : (one - share) * (wholes.get(i) ?? 0n) * BigInt(seen.length) + share * total,
    ]),
  )
  const p = new Array(sizes.length).fill(1)
  let kept = BigInt(count - (sizes.length - seen.length))
  for (;;) {
    const rest = sum(q)
    const certain = [...q].filter(([, each]) => each > 0n && each * kept >= rest)
    if (certain.length === 0) break
    for (const [i] of certain) q.delete(i)
    kept -= BigInt(certain.length)
  }
  const rest = sum(q)
  for (const [i, each] of q) p[i] = rest > 0n ? quotient(each * kept, rest) : quotient(kept, BigInt(q.size))
  return p
}

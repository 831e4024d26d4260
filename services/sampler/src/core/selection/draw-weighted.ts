import { belowLarge } from '../random/below-large.js'
import { choose } from '../random/choose.js'
import type { RandomStream } from '../random/random-stream.js'
import { toInclusion } from './inclusion.js'
import { addBit, bitBytes, KeptSet } from './kept-set.js'

/** The size of a sample that has no loss yet. */
export const UNSEEN_SIZE = -1

export interface WeightedDraw {
  readonly keptSet: KeptSet
  /** 1 / inclusion probability of the kept samples in ascending order, rounded to f32: a sum over them, so weighted, has the sum over all as its mean. */
  readonly weights: Float32Array
}

/** `count` of the samples without a loss, uniformly without replacement. */
function drawUnseen(sizes: Float32Array, unseen: number, count: number, random: RandomStream): WeightedDraw {
  const indices = new Uint32Array(unseen)
  let found = 0
  for (let i = 0; i < sizes.length; i++) if ((sizes[i] as number) < 0) indices[found++] = i
  const chosen = choose(count, unseen, random).map((position) => indices[position] as number)
  return { keptSet: KeptSet.of(chosen, sizes.length), weights: new Float32Array(count).fill(unseen / count) }
}

/**
 * Draws `count` of N samples without replacement, with probabilities in proportion to their sizes w_i.
 *
 * A sample without a loss (UNSEEN_SIZE) is kept. Where there are more of these than `count`, `count` of them are chosen uniformly, and nothing else.
 * Of the n others, k' = count - unseen are kept, with inclusion probabilities
 * ```
 * q_i = (1 - u) w_i / sum w + u / n      (1 / n if all w are 0)
 * p_i = min(1, c q_i)                    c such that sum p_i = k'
 * ```
 * u = `uniformShare`. If fewer than k' samples have a q_i above 0 (u = 0, and sizes of 0), these are kept, and the rest of k' is drawn from
 * the others with equal probabilities, each the share of them that is drawn. p_i is the quotient of two integers, see `toInclusion`.
 *
 * The draw is systematic: the p_i lie one after another on a line, in index order, and those samples are kept in which r, r + 1, r + 2, ... fall, for one r
 * uniform in [0, 1) from the stream. So exactly `count` are kept, each with exactly its p_i, in one pass. Which samples are kept together depends on
 * their order: of neighbours whose p_i add up to at most 1, one is kept at most.
 * Source: Madow, "On the theory of systematic sampling, II", Annals of Mathematical Statistics 20, 1949.
 *
 * Sizes are finite and at least 0, or UNSEEN_SIZE; 0 <= count <= N; 0 <= uniformShare <= 1. Time linear in N.
 */
export function drawWeighted(
  sizes: Float32Array,
  count: number,
  uniformShare: number,
  random: RandomStream,
): WeightedDraw {
  const unseen = sizes.reduce((found, size) => found + Number(size < 0), 0)
  if (count <= unseen) return drawUnseen(sizes, unseen, count, random)
  const { units, whole } = toInclusion(sizes, count, uniformShare)
  const bits = new Uint8Array(bitBytes(sizes.length))
  const weights = new Float32Array(count)
  let position = belowLarge(whole, random)
  let kept = 0
  for (let i = 0; i < units.length; i++) {
    position += units[i] as number
    if (position < whole) continue
    position -= whole
    addBit(bits, i)
    weights[kept++] = whole / (units[i] as number)
  }
  return { keptSet: new KeptSet(bits, kept), weights }
}

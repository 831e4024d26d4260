import type { RandomKey } from '../random/random-stream.js'
import type { KeptSet } from './kept-set.js'

/** Puts a kept set together, step by step: what a policy says it wants, whoever computes it. */
export interface KeptSetBuilder {
  /** N. */
  readonly sampleCount: number
  /** Adds every sample. */
  addEverything(): void
  /**
   * Adds the `count` samples with the largest mean + varianceWeight * variance, each step in f32; samples without a loss come before all others.
   * Ties at the end are taken uniformly without replacement with the numbers of `ties`. To an empty set only. Requires 0 <= count <= N.
   */
  addTop(count: number, varianceWeight: number, ties: RandomKey): void
  /** Adds `count` of the samples that are not in the set, uniformly without replacement. Requires that there are so many. */
  addDrawn(count: number, draw: RandomKey): void
  /**
   * Adds the `count` samples with the largest last loss of a pool of `poolCount` samples that is drawn uniformly without replacement; samples without a loss come
   * before all others, ties as in `addTop`. To an empty set only. Requires 0 <= count <= poolCount <= N.
   */
  addTopOfDrawn(count: number, poolCount: number, draw: RandomKey, ties: RandomKey): void
  /** The set. The builder is not used after that. */
  build(): KeptSet
}

import type { RandomKey } from '../random/random-stream.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import type { KeptSet } from './kept-set.js'

/**
 * Puts a kept set together, step by step: what a policy says it wants, whoever computes it. A sample's weight is 1 over the probability with which
 * its step took it, and 1 where that is certain.
 */
export interface KeptSetBuilder {
  /** N. */
  readonly sampleCount: number
  /** Samples in the set so far. */
  readonly count: number
  /** What is known of the samples. Not to be changed. */
  readonly columns: StatisticsColumns
  /** Adds every sample. */
  addEverything(): void
  /** Adds these samples, which are in ascending order and not in the set, with their weights; without: 1. */
  add(indices: Uint32Array, weights?: Float32Array): void
  /**
   * Adds the `count` samples with the largest mean + varianceWeight * variance, each step in f32; samples without a loss come before all others.
   * Ties at the end are taken uniformly without replacement with the numbers of `ties`. To an empty set only. Requires 0 <= count <= N.
   */
  addTop(count: number, varianceWeight: number, ties: RandomKey): void
  /** The same with a score of the policy's own for each sample: f32 without NaN, Infinity for who comes before all others. They are overwritten. */
  addTopOf(scores: Float32Array, count: number, ties: RandomKey): void
  /** Adds `count` of the samples that are not in the set, uniformly without replacement. Requires that there are so many. */
  addDrawn(count: number, draw: RandomKey): void
  /**
   * Adds the `count` samples with the largest last loss of a pool of `poolCount` samples that is drawn uniformly without replacement; samples without a loss come
   * before all others, ties as in `addTop`. To an empty set only. Requires 0 <= count <= poolCount <= N.
   */
  addTopOfDrawn(count: number, poolCount: number, draw: RandomKey, ties: RandomKey): void
  /** Adds `count` samples drawn in proportion to their sizes: `drawWeighted`. To an empty set only. The sizes are lost. */
  addWeighted(sizes: Float32Array, count: number, uniformShare: number, draw: RandomKey): void
  /** The set. The builder is not used after that. */
  build(): KeptSet
}

import { copyRankPositions, type Sharding } from '../sharding.js'

/** Indices at positions `start` to `end - 1` of a rank. Requires 0 <= start <= end <= positionCount. */
export function rankPositions(
  order: Uint32Array,
  rank: number,
  sharding: Sharding,
  start: number,
  end: number,
): Uint32Array {
  const indices = new Uint32Array(end - start)
  copyRankPositions(order, rank, sharding, start, indices)
  return indices
}

/** How ranks get equal lengths: PAD repeats a rank's own first sample, DROP leaves out the last positions. */
export type ShardMode = 'pad' | 'drop'

/** How an epoch's order is shared out over ranks. */
export interface Sharding {
  readonly worldSize: number
  readonly shardMode: ShardMode
  /** Each rank's length is a multiple of this. */
  readonly positionMultiple: number
}

/** Positions of each rank; 0 where the world size leaves a rank without a sample of its own. */
export function positionCount(keptCount: number, { worldSize, shardMode, positionMultiple }: Sharding): number {
  if (shardMode === 'drop') {
    return Math.floor(Math.floor(keptCount / worldSize) / positionMultiple) * positionMultiple
  }
  if (keptCount < worldSize) return 0
  return Math.ceil(Math.ceil(keptCount / worldSize) / positionMultiple) * positionMultiple
}

/** Number of samples that are the rank's own: its positions without the copies that PAD makes. */
export function ownCount(keptCount: number, rank: number, sharding: Sharding): number {
  const share = Math.ceil((keptCount - rank) / sharding.worldSize)
  return Math.min(share, positionCount(keptCount, sharding))
}

/**
 * Writes to `target` the indices, or what else `order` has, at the positions of a rank from `start` on, as many as it holds: order[rank], order[rank + W], …,
 * then copies of order[rank]. Requires 0 <= start <= start + target.length <= positionCount.
 */
export function copyRankPositions<T extends Uint32Array | Float32Array>(
  order: T,
  rank: number,
  sharding: Sharding,
  start: number,
  target: T,
): void {
  const { worldSize } = sharding
  const own = Math.min(Math.max(ownCount(order.length, rank, sharding) - start, 0), target.length)
  const first = rank + start * worldSize
  if (worldSize === 1) target.set(order.subarray(first, first + own))
  else for (let i = 0, from = first; i < own; i++, from += worldSize) target[i] = order[from] as number
  target.fill(order[rank] as number, own)
}

/** Per sample: rank + 1 of the rank that has it as its own, 0 for none. */
export function ownersOf(order: Uint32Array, sampleCount: number, sharding: Sharding): Uint16Array {
  const { worldSize } = sharding
  const owners = new Uint16Array(sampleCount)
  for (let rank = 0; rank < worldSize; rank++) {
    const end = rank + ownCount(order.length, rank, sharding) * worldSize
    for (let i = rank; i < end; i += worldSize) owners[order[i] as number] = rank + 1
  }
  return owners
}

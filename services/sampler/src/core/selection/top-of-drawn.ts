import { choose } from '../random/choose.js'
import { openStream, type RandomKey } from '../random/random-stream.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import { toScoreKeys } from './score-keys.js'
import { selectTop } from './top.js'

/**
 * The `count` samples with the largest last loss of a pool of `poolCount` that is drawn uniformly without replacement, ascending; samples without a loss
 * come before all others. Ties as in `selectTop`. Time linear in N. Requires 0 <= count <= poolCount <= N.
 */
export function topOfDrawn(
  { lastLoss, observations }: Pick<StatisticsColumns, 'lastLoss' | 'observations'>,
  count: number,
  poolCount: number,
  draw: RandomKey,
  ties: RandomKey,
): Uint32Array {
  const pool = choose(poolCount, lastLoss.length, openStream(draw))
  const losses = Float32Array.from(pool, (index) => lastLoss[index] as number)
  const seen = Uint16Array.from(pool, (index) => observations[index] as number)
  const kept = selectTop(toScoreKeys(losses, { observations: seen }), count, openStream(ties))
  for (let i = 0; i < count; i++) kept[i] = pool[kept[i] as number] as number
  return kept
}

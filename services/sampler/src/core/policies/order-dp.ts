import { checkRange } from '../field-violation.js'
import { purpose } from '../random/random-stream.js'
import { share } from '../share.js'
import { noSettings, type Policy } from './policy.js'

export interface OrderDpSettings {
  /** Share of the data set that is drawn as the pool, above 0 to 1; 0: sqrt(k / N). */
  readonly poolRate: number
}

/**
 * The k samples with the largest last loss in a pool of s, drawn uniformly without replacement at each selection: s = share(poolRate, N), at least k.
 * Bias: towards samples with a high last loss, less so the smaller the pool is; with s = k it is `random`, with s = N it is the top k of all. Cost: O(N).
 * Source: OrderDP, ICLR 2026.
 */
export const orderDp: Policy<OrderDpSettings> = {
  ...noSettings,
  defaults: { poolRate: 0 },
  check: ({ poolRate }) => checkRange('pool_rate', poolRate, 0, 1),
  select({ builder, keptCount, epoch, seed }, { poolRate }) {
    const { sampleCount } = builder
    const rate = poolRate === 0 ? Math.sqrt(keptCount / sampleCount) : poolRate
    const poolCount = Math.max(keptCount, share(rate, sampleCount))
    const key = (of: 'draw' | 'ties') => ({ seed, epoch, purpose: purpose[of] })
    builder.addTopOfDrawn(keptCount, poolCount, key('draw'), key('ties'))
  },
}

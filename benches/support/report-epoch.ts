import type { Plan } from '../../services/sampler/src/runs/plan.js'
import type { RunOwner } from '../../services/sampler/src/runs/run-owner.js'
import { batchesOf } from './in-process.js'
import { lossesOf } from './losses.js'

/** Reports a whole epoch, all ranks at once, as ranks do that do not wait for acknowledgements. Returns the number of reports. */
export async function reportEpoch(owner: RunOwner, plan: Plan, batchSize: number): Promise<number> {
  const { epoch, sharding } = plan
  const losses = lossesOf(batchSize, epoch)
  let reports = 0
  const acknowledged: Promise<unknown>[] = []
  const ranks = Array.from({ length: sharding.worldSize }, (_, rank) => batchesOf(plan, rank, batchSize))
  for (let batch = 0; batch < Math.max(...ranks.map(({ length }) => length)); batch++) {
    for (const [rank, batches] of ranks.entries()) {
      const indices = batches[batch]
      if (!indices) continue
      acknowledged.push(owner.report({ epoch, rank, sequence: batch + 1, generation: 1, indices, losses }))
      reports++
    }
    // Few enough on their way to be those of a busy sampler.
    if (acknowledged.length >= 64) await Promise.all(acknowledged.splice(0))
  }
  await Promise.all(acknowledged)
  return reports
}

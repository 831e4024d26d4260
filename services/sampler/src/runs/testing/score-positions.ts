import { LeftOutWalk } from '../../core/plans/left-out-walk.js'
import type { Plan } from '../plan.js'

/** The samples that a rank is to score. */
export function scorePositions(plan: Plan, rank = 0): Uint32Array {
  const indices = new Uint32Array(plan.scoreCount(rank))
  if (plan.keptSet) new LeftOutWalk(plan.keptSet, rank, plan.sharding.worldSize).fill(indices)
  return indices
}

import { selectKeptSet } from '../core/policies/registry.js'
import { KeptSet } from '../core/selection/kept-set.js'
import type { KeptSetBuilder } from '../core/selection/kept-set-builder.js'
import { PlainKeptSetBuilder } from '../core/selection/plain-kept-set-builder.js'
import { computePlan } from './plan.js'
import type { MadePlan, PlanWork } from './ports.js'

/** Makes a plan, here and now. `builder` is of the work's statistics. */
export function makePlan(
  { statistics, seed, epoch, sharding, kept }: PlanWork,
  builder: KeptSetBuilder = new PlainKeptSetBuilder(statistics),
): MadePlan {
  const isChosen = kept === undefined || kept instanceof KeptSet
  const keptSet = isChosen ? kept : selectKeptSet(kept.policy, { builder, keptCount: kept.keptCount, epoch, seed })
  return { keptSet, ...computePlan({ keptSet, sampleCount: statistics.sampleCount, seed, epoch, sharding }) }
}

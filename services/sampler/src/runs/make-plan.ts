import { selectKeptSet } from '../core/policies/registry.js'
import { KeptSet } from '../core/selection/kept-set.js'
import type { KeptSetBuilder } from '../core/selection/kept-set-builder.js'
import { PlainKeptSetBuilder } from '../core/selection/plain-kept-set-builder.js'
import { type SelectionSummary, summarise } from '../core/selection/selection-summary.js'
import { computePlan } from './plan.js'
import type { Choice, MadePlan, PlanWork } from './ports.js'

/** Makes a plan, here and now. */
export function makePlan(work: PlanWork): MadePlan {
  const { statistics, kept, seed, epoch } = work
  const { keptSet, summary } = isChoice(kept)
    ? choose(kept, { seed, epoch }, new PlainKeptSetBuilder(statistics, kept.request.weights !== undefined))
    : { keptSet: kept, summary: undefined }
  return { keptSet, summary, ...computePlan({ ...work, keptSet, sampleCount: statistics.sampleCount }) }
}

/** Whether a kept set is still to be chosen. */
export function isChoice(kept: PlanWork['kept']): kept is Choice {
  return kept !== undefined && !(kept instanceof KeptSet)
}

/** Chooses a kept set with a builder, and says what comes of it. */
export function choose(
  { request, previous }: Choice,
  key: { readonly seed: bigint; readonly epoch: number },
  builder: KeptSetBuilder,
): { keptSet: KeptSet; summary: SelectionSummary } {
  const keptSet = selectKeptSet({ ...request, ...key }, builder)
  return { keptSet, summary: summarise(keptSet, builder.columns.timesKept, request.selections, previous) }
}

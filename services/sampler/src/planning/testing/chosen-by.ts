import type { PolicyChoice, SelectionRequest } from '../../core/policies/registry.js'
import { KeptSet } from '../../core/selection/kept-set.js'
import type { Choice } from '../../runs/ports.js'

/** A first selection of a policy, but for what is `given`. */
export function chosenBy(policy: PolicyChoice, keptCount: number, given: Partial<SelectionRequest> = {}): Choice {
  const request = { policy, keptCount, pruneRate: 0.5, totalEpochs: undefined, selections: 0, columnNames: ['m0'] }
  return { previous: KeptSet.of([], 0), request: { ...request, weights: undefined, ...given } }
}

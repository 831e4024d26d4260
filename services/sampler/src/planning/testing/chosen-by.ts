import type { PolicyChoice, SelectionRequest } from '../../core/policies/registry.js'
import { KeptSet } from '../../core/selection/kept-set.js'
import type { Choice } from '../../runs/ports.js'

/** A first selection of a policy, but for what is `given`. */
export function chosenBy(policy: PolicyChoice, keptCount: number, given: Partial<SelectionRequest> = {}): Choice {
  const unset = { totalEpochs: undefined, weights: undefined }
  const request = { policy, keptCount, pruneRate: 0.5, selectionPeriod: 1, selections: 0, columnNames: ['m0'] }
  return { previous: KeptSet.of([], 0), request: { ...request, ...unset, ...given } }
}

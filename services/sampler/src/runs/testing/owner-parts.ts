import { selectKeptSet } from '../../core/policies/registry.js'
import type { Selector } from '../ports.js'
import type { RunOwnerParts } from '../run-owner.js'

/** Chooses at once. */
export const inlineSelector: Selector = { select: async (policy, input) => selectKeptSet(policy, input) }

/** Chooses when the promise resolves. */
export function selectorAfter(gate: Promise<unknown>): Selector {
  return {
    select: async (policy, input) => {
      await gate
      return selectKeptSet(policy, input)
    },
  }
}

/** The parts of an owner whose clock stands still and to whose news nobody listens. */
export function ownerParts(selector: Selector = inlineSelector): RunOwnerParts {
  const listener = { created: () => {}, planned: () => {}, finished: () => {}, deleted: () => {} }
  return { clock: () => 0, selector, listener }
}

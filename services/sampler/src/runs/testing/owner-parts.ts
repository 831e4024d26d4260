import { selectKeptSet } from '../../core/policies/registry.js'
import type { RunLease, Selector } from '../ports.js'
import type { RunEvent } from '../run-event.js'
import type { RunListener } from '../run-listener.js'
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

/** Listens to no news. */
export const silentListener: RunListener = {
  created: () => {},
  imported: () => {},
  planned: () => {},
  rewound: () => {},
  finished: () => {},
  deleted: () => {},
  expired: () => {},
  loaded: () => {},
  unloaded: () => {},
  damaged: () => {},
  snapshotFailed: () => {},
  storeFailed: () => {},
  releaseFailed: () => {},
  sweepFailed: () => {},
}

/** The parts of an owner whose clock stands still and to whose news nobody listens. */
export function ownerParts(selector: Selector = inlineSelector): RunOwnerParts {
  return { clock: () => 0, selector, listener: silentListener }
}

/** A lease that hands events to `append`, and keeps no snapshot. */
export function leaseOf(append: (event: RunEvent) => Promise<void>): RunLease {
  return {
    fence: 1,
    epochStarts: [],
    append,
    saveSnapshot: async ({ image }) => {
      for await (const _ of image) {
        // Read to its end, as a store does.
      }
    },
    readEpochStart: () => {
      throw new Error('keeps no epoch start')
    },
    release: async () => {},
  }
}

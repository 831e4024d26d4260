import { isChoice, makePlan } from '../make-plan.js'
import type { Planner, RunLease } from '../ports.js'
import type { RunEvent } from '../run-event.js'
import type { RunListener } from '../run-listener.js'
import type { RunOwnerParts } from '../run-owner.js'

/** Makes plans at once. */
export const inlinePlanner: Planner = { make: async (work) => makePlan(work) }

/** Makes plans at once, but chooses a kept set only when the promise resolves. */
export function plannerAfter(gate: Promise<unknown>): Planner {
  return {
    make: async (work) => {
      if (isChoice(work.kept)) await gate
      return makePlan(work)
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
export function ownerParts(planner: Planner = inlinePlanner): RunOwnerParts {
  return { clock: () => 0, planner, listener: silentListener }
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

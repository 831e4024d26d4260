import { describe } from 'vitest'
import { describeCreation } from './creation-contract.js'
import { describeEvents } from './events-contract.js'
import { describeFencing } from './fencing-contract.js'
import { describeRandomCalls } from './random-calls-contract.js'
import { describeSnapshots } from './snapshots-contract.js'
import type { StoreKind } from './store-kind.js'

/** What every RunStore does. */
export function describeRunStore(kind: StoreKind): void {
  describe(`the ${kind.name} store`, () => {
    describeCreation(kind)
    describeEvents(kind)
    describeSnapshots(kind)
    describeFencing(kind)
    describeRandomCalls(kind)
  })
}

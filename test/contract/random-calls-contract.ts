import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CallHarness } from './call-harness.js'
import { calls } from './random-calls.js'
import { type StoreKind, withStore } from './store-kind.js'

/** Random calls, good and bad, at a store; after each it is held against a model. */
export function describeRandomCalls(kind: StoreKind): void {
  describe('random calls', () => {
    it('find what a simple model finds', async () => {
      const made = new Map<string, number>()
      await fc.assert(
        fc.asyncProperty(calls, ({ epochStarts, sequence }) =>
          withStore(
            kind,
            async (inUse) => {
              const harness = new CallHarness(inUse, epochStarts, made)
              for (const each of sequence) await harness.make(each)
              await harness.end()
            },
            epochStarts,
          ),
        ),
        { numRuns: kind.sequences },
      )
      // A generator that never gets far would prove nothing.
      if (kind.sequences < 100) return
      const names = [
        'create',
        'append',
        'save',
        'saveAmid',
        'open',
        'release',
        'writeStale',
        'remove',
        'glance',
        'readEpochStarts',
      ]
      for (const name of names) expect([name, (made.get(name) ?? 0) > kind.sequences / 10]).toEqual([name, true])
    }, 120_000)
  })
}

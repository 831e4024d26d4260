import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../store/memory/memory-store.js'
import { imageOf } from './image/write-image.js'
import type { OpenedRecord, RunLease, Snapshot } from './ports.js'
import { RunRegistry } from './run-registry.js'
import { StoreError } from './store-error.js'
import { ownerParts } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'
import { testLimits } from './testing/test-limits.js'
import { trainEpoch } from './testing/trained-run.js'

/** A run whose sampler is disturbed in every way must be, at every moment, the run of one that nobody disturbs. */

const EPOCH_STARTS = 2

const spec = requestedSpec({
  sampleCount: 2500,
  seed: 11n,
  pruneRate: 0.4,
  selectionPeriod: 2,
  metrics: ['correct', 'margin'],
  policy: { name: 'epsilon_greedy', settings: { epsilon: 0.2 } },
})

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('train' as const), worldSize: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('trainPart' as const), reports: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('rewind' as const), back: fc.nat(4) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('unload' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('failSnapshots' as const), times: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  ),
  { minLength: 1, maxLength: 25, size: 'max' },
)

/** A memory store that refuses so many snapshots. */
class FailingStore extends MemoryStore {
  failures = 0

  override async open(runId: string): Promise<OpenedRecord> {
    const opened = await super.open(runId)
    return { ...opened, lease: this.#failing(opened.lease) }
  }

  override async create(runId: string, snapshots: AsyncIterable<Snapshot> | Iterable<Snapshot>): Promise<RunLease> {
    return this.#failing(await super.create(runId, snapshots))
  }

  #failing(lease: RunLease): RunLease {
    const save = lease.saveSnapshot.bind(lease)
    lease.saveSnapshot = async (snapshot) => {
      if (this.failures === 0) return save(snapshot)
      this.failures--
      throw new StoreError('UNAVAILABLE', 'r', 'no space left on device')
    }
    return lease
  }
}

let now = 0
const open = (store: MemoryStore) =>
  RunRegistry.open(store, testLimits({ finishedHours: 0 }), { ...ownerParts(), clock: () => now })

const outcomes = { rewound: 0, restarted: 0, unloaded: 0, failed: 0, moved: 0, restartedTraining: 0 }

async function stateOf(registry: RunRegistry) {
  const owner = await registry.owner('r')
  await owner.read()
  return Buffer.concat([...imageOf(owner.run)])
}

describe('a run of a disturbed sampler', () => {
  it('is the run of an undisturbed one, after every step', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        now = 0
        const calm = await open(new MemoryStore({ epochStarts: 1000 }))
        let store = new FailingStore({ epochStarts: EPOCH_STARTS })
        let disturbed = await open(store)
        const both = async <T>(call: (registry: RunRegistry) => Promise<T>) => {
          const [a, b] = [await call(calm), await call(disturbed)]
          expect(b).toEqual(a)
          return a
        }
        await both((registry) => registry.create('r', spec).then(({ runId }) => runId))
        for (const step of sequence) {
          const { isFinished, nextEpoch } = await calm.read('r')
          if (step.do === 'train' && !isFinished) {
            await both(async (registry) =>
              trainEpoch(await registry.owner('r'), nextEpoch, { ...step, batchSize: 300 }),
            )
          } else if (step.do === 'trainPart' && !isFinished) {
            await both(async (registry) =>
              trainEpoch(await registry.owner('r'), nextEpoch, { ...step, batchSize: 300 }),
            )
          } else if (step.do === 'rewind') {
            const { epochStarts } = await disturbed.read('r')
            // The first one, that of epoch 0, is always there.
            expect(epochStarts[0]).toBe(0)
            const epoch = epochStarts.at(-1 - Math.min(step.back, epochStarts.length - 1)) as number
            if (epoch === 0 && nextEpoch > EPOCH_STARTS) outcomes.restartedTraining++
            store.failures = 0
            await both((registry) => registry.rewind('r', epoch, 0).then(({ generation }) => generation))
            outcomes.rewound++
          } else if (step.do === 'restart') {
            disturbed = await open(store)
            outcomes.restarted++
          } else if (step.do === 'unload') {
            now += 1e9
            await disturbed.sweep()
            now -= 1e9
            outcomes.unloaded++
          } else if (step.do === 'failSnapshots') {
            store.failures = step.times
            outcomes.failed++
          } else if (step.do === 'move') {
            const elsewhere = new FailingStore({ epochStarts: EPOCH_STARTS })
            const registry = await open(elsewhere)
            await registry.import('', await disturbed.export('r'))
            store = elsewhere
            disturbed = registry
            outcomes.moved++
          } else if (step.do === 'finish')
            await both((registry) => registry.finish('r').then(({ progress }) => progress))
          expect((await stateOf(disturbed)).equals(await stateOf(calm))).toBe(true)
        }
      }),
      { numRuns: 200 }, // so that what happens rarest happens some thirty times
    )
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(5)
  }, 60_000)
})

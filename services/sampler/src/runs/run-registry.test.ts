import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../store/memory/memory-store.js'
import { readingBytes, runBytes } from './memory-budget.js'
import type { RunStore, Snapshot } from './ports.js'
import type { RunLimits } from './run-limits.js'
import type { RunListener } from './run-listener.js'
import { RunRegistry } from './run-registry.js'
import { StoreError } from './store-error.js'
import { ownerParts, silentListener } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'
import { testLimits } from './testing/test-limits.js'
import { trainEpoch } from './testing/trained-run.js'

const sized = (sampleCount: number) => ({ sampleCount, columnCount: 0, hasWeights: false })

const spec = requestedSpec({ sampleCount: 40, selectionPeriod: 1 })
const forever = Number.POSITIVE_INFINITY
const never = new AbortController().signal

/** A memory store whose calls end when the test lets them: `log` has what was asked, in order. */
class GatedStore extends MemoryStore {
  readonly log: string[] = []
  open_: () => void = () => {}
  #gate = new Promise<void>((resolve) => {
    this.open_ = resolve
  })

  constructor() {
    super({ epochStarts: 3 })
  }

  override async create(runId: string, snapshots: AsyncIterable<Snapshot> | Iterable<Snapshot>) {
    this.log.push(`create ${runId}`)
    await this.#gate
    return super.create(runId, snapshots)
  }

  override async remove(runId: string): Promise<void> {
    this.log.push(`remove ${runId}`)
    await this.#gate
    return super.remove(runId)
  }
}

interface Setting {
  readonly limits?: Partial<RunLimits>
  readonly listener?: Partial<RunListener>
  readonly clock?: () => number
}

function registryOn(store: RunStore, { limits, listener, clock = () => 0 }: Setting = {}) {
  const parts = { ...ownerParts(), clock, listener: { ...silentListener, ...listener } }
  return RunRegistry.open(store, testLimits(limits), parts)
}

const memory = () => new MemoryStore({ epochStarts: 0 })

describe('RunRegistry', () => {
  it('creates a run once when it is asked twice at the same time', async () => {
    const store = new GatedStore()
    const registry = await registryOn(store)
    const created = [registry.create('a', spec), registry.create('a', spec)]
    store.open_()
    const [first, second] = await Promise.all(created)
    expect(first).toEqual(second)
    expect(store.log).toEqual(['create a'])
  })

  it('refuses the second of two specs for one run_id at the same time', async () => {
    const store = new GatedStore()
    const registry = await registryOn(store)
    const created = [registry.create('a', spec), registry.create('a', { ...spec, seed: 7n })]
    store.open_()
    const [, second] = await Promise.allSettled(created)
    expect(second).toMatchObject({
      reason: { reason: 'RUN_EXISTS', message: expect.stringContaining('spec.seed is "7", there "0"') },
    })
  })

  it('keeps the limit of runs, also when two are created at the same time', async () => {
    const store = new GatedStore()
    const registry = await registryOn(store, { limits: { maxRuns: 1 } })
    const created = [registry.create('a', spec), registry.create('b', spec)]
    store.open_()
    const results = await Promise.allSettled(created)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(results[1]).toMatchObject({ reason: { reason: 'TOO_MANY_RUNS' } })
    await registry.delete('a')
    await registry.create('b', spec)
  })

  it('creates a run again only after its record is gone', async () => {
    const store = new GatedStore()
    const registry = await registryOn(store)
    store.open_()
    await registry.create('a', spec)
    await Promise.all([registry.delete('a'), registry.create('a', { ...spec, seed: 7n })])
    expect(store.log).toEqual(['create a', 'remove a', 'create a'])
    expect((await registry.read('a')).spec.seed).toBe(7n)
  })

  it('ends who waits in a run that is deleted, and knows it no more', async () => {
    const registry = await registryOn(memory())
    await registry.create('a', spec)
    const request = { generation: 0, epoch: 0, rank: 0, worldSize: 2, lastSequence: 0, startPosition: 0 }
    const waiting = (await registry.owner('a')).planEpoch(request, forever, never)
    await Promise.all([expect(waiting).rejects.toMatchObject({ reason: 'RUN_NOT_FOUND' }), registry.delete('a')])
    expect(() => registry.owner('a')).toThrow('there is no run "a"')
    await expect(registry.delete('a')).rejects.toMatchObject({ reason: 'RUN_NOT_FOUND' })
    expect(registry.memoryBytes).toBe(0)
  })

  it('pages in the order of run_id, whatever was created first', async () => {
    const registry = await registryOn(memory())
    for (const runId of ['c', 'a', 'B', 'd']) await registry.create(runId, spec)
    const page = async (after: string) => {
      const { runs, hasMore } = await registry.list(2, after)
      return [runs.map(({ runId }) => runId), hasMore]
    }
    expect(await page('')).toEqual([['B', 'a'], true])
    expect(await page('a')).toEqual([['c', 'd'], false])
    expect(await page('d')).toEqual([[], false])
  })
})

describe('a run out of memory', () => {
  it('leaves when nobody called it for a time, and comes back as it was with the next call', async () => {
    let now = 0
    const unloaded: string[] = []
    const registry = await registryOn(memory(), {
      clock: () => now,
      listener: { unloaded: (runId) => unloaded.push(runId) },
    })
    await registry.create('a', spec)
    const owner = await registry.owner('a')
    await trainEpoch(owner, 0)
    await trainEpoch(owner, 1, { reports: 1 })
    const before = await owner.read()
    const held = registry.memoryBytes
    now = 60_000
    await registry.sweep()
    expect(unloaded).toEqual([])
    now = 60_001
    await registry.sweep()
    expect(unloaded).toEqual(['a'])
    expect(held - registry.memoryBytes).toBe(runBytes(sized(40)))
    expect(await registry.read('a')).toEqual(before)
    await expect(owner.read()).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' })
    const back = await registry.owner('a')
    expect(back.facts).toEqual(before)
    expect(registry.memoryBytes).toBe(held)
  })

  it('does not leave while a call of it waits', async () => {
    let now = 0
    const registry = await registryOn(memory(), { clock: () => now })
    await registry.create('a', spec)
    const owner = await registry.owner('a')
    const request = { generation: 0, epoch: 0, rank: 0, worldSize: 2, lastSequence: 0, startPosition: 0 }
    const waiting = owner.planEpoch(request, forever, never)
    now = 1e9
    await registry.sweep()
    expect(registry.owner('a')).toBe(owner)
    void owner.planEpoch({ ...request, rank: 1 }, forever, never)
    expect((await waiting).epoch).toBe(0)
  })

  it('gives its place to another one, the longest idle first, but not in the middle of a training', async () => {
    let now = 0
    const store = memory()
    const limits = { maxMemoryBytes: 3 * runBytes(sized(40)) + 4 * store.recordBytes(sized(40)) }
    const unloaded: string[] = []
    const listener = { unloaded: (runId: string) => unloaded.push(runId) }
    const registry = await registryOn(store, { limits, clock: () => now, listener })
    for (const runId of ['a', 'b', 'c']) await registry.create(runId, spec)
    now = 30_000
    await trainEpoch(await registry.owner('a'), 0)
    now = 59_999
    await expect(registry.create('d', spec)).rejects.toMatchObject({
      reason: 'OUT_OF_MEMORY',
      message: expect.stringMatching(
        /run "d" needs \d+ bytes of memory, and this sampler has \d+ left.*--max-memory-bytes/,
      ),
    })
    expect(unloaded).toEqual([])
    now = 60_000
    await registry.create('d', spec)
    expect(unloaded).toEqual(['b'])
    expect(registry.memoryBytes).toBeLessThanOrEqual(limits.maxMemoryBytes)
  })

  it('makes room for two that ask at once, one after the other', async () => {
    let now = 0
    const store = memory()
    const limits = { maxMemoryBytes: 2 * runBytes(sized(40)) + 4 * store.recordBytes(sized(40)) }
    const registry = await registryOn(store, { limits, clock: () => now })
    for (const runId of ['a', 'b']) await registry.create(runId, spec)
    now = 60_000
    await Promise.all([registry.create('c', spec), registry.create('d', spec)])
    expect(registry.memoryBytes).toBe(limits.maxMemoryBytes)
  })

  it('is to be tried again later where every other run is being called', async () => {
    let now = 0
    const store = memory()
    const limits = { maxMemoryBytes: 2 * runBytes(sized(40)) + 3 * store.recordBytes(sized(40)) }
    const registry = await registryOn(store, { limits, clock: () => now })
    for (const runId of ['a', 'b']) await registry.create(runId, spec)
    await trainEpoch(await registry.owner('a'), 0)
    now = 60_000
    await (await registry.owner('b')).finish()
    await registry.create('c', spec)
    await expect(async () => (await registry.owner('a')).finish()).rejects.toMatchObject({ reason: 'RUN_NOT_LOADED' })
    expect((await registry.list(0, '')).runs.map(({ runId, nextEpoch }) => [runId, nextEpoch])).toEqual([
      ['a', 1],
      ['b', 0],
      ['c', 0],
    ])
    now = 120_000
    expect((await (await registry.owner('a')).finish()).isFinished).toBe(true)
  })

  it('leaves no file open and no lease behind where there is no room for it', async () => {
    const store = memory()
    await (await registryOn(store)).create('a', { ...spec, sampleCount: 1000 })
    const open = store.open.bind(store)
    const left = { images: 0, leases: 0 }
    store.open = async (runId) => {
      const { lease, image, events } = await open(runId)
      const release = lease.release.bind(lease)
      left.images++
      left.leases++
      lease.release = () => {
        left.leases--
        return release()
      }
      const counted = async function* () {
        try {
          yield* image
        } finally {
          left.images--
        }
      }
      return { lease, image: counted(), events }
    }
    const registry = await registryOn(store, { limits: { maxMemoryBytes: 1000 } })
    await expect(registry.finish('a')).rejects.toMatchObject({ reason: 'OUT_OF_MEMORY' })
    expect(left).toEqual({ images: 0, leases: 0 })
  })

  it('is refused where it could never be in memory twice, as while it is rewound', async () => {
    const limits = { maxMemoryBytes: 2 * runBytes(sized(1000)) - 1 }
    const registry = await registryOn(memory(), { limits })
    const asked = registry.create('huge', { ...spec, sampleCount: 1000 })
    await expect(asked).rejects.toMatchObject({ reason: 'OUT_OF_MEMORY', message: expect.stringContaining('in all') })
    expect(registry.memoryBytes).toBe(0)
  })

  it('stays as long as its statistics are read, which are counted, too', async () => {
    let now = 0
    const store = memory()
    const registry = await registryOn(store, { clock: () => now })
    await registry.create('a', spec)
    const held = registry.memoryBytes
    const reading = await registry.statistics('a')
    expect(registry.memoryBytes).toBe(held + readingBytes(sized(40)))
    now = 1e9
    await registry.sweep()
    expect(registry.owner('a')).toBe(await registry.owner('a'))
    reading.release()
    reading.release()
    expect(registry.memoryBytes).toBe(held)
    for await (const _ of await registry.export('a')) expect(registry.memoryBytes).toBe(held + readingBytes(sized(40)))
    expect(registry.memoryBytes).toBe(held)
    now = 2e9
    await registry.sweep()
    expect(registry.memoryBytes).toBe(store.recordBytes(sized(40)))
  })

  it('is counted with 4 bytes more for each sample and metric, in memory, in a record that is there, and when it is read', async () => {
    const samples = 1000
    const store = new MemoryStore({ epochStarts: 2 })
    const registry = await registryOn(store)
    const counted = async (runId: string, metrics: string[]) => {
      const before = registry.memoryBytes
      await registry.create(runId, { ...spec, sampleCount: samples, metrics })
      const held = registry.memoryBytes - before
      const reading = await registry.statistics(runId)
      const read = registry.memoryBytes - before - held
      reading.release()
      return { held, read }
    }
    const [without, withThree] = [await counted('without', []), await counted('with', ['a', 'b', 'c'])]
    const columns = 3 * 4 * samples
    // In memory once, in each of two epoch starts and one that is being saved, and in the reports of an epoch.
    expect(withThree.held - without.held).toBe(columns * (1 + 3 + 1))
    expect(withThree.read - without.read).toBe(columns)
  })

  it('is told as it is, also where it came into memory and went on during a glance', async () => {
    const store = memory()
    await (await registryOn(store)).create('a', spec)
    const glance = store.glance.bind(store)
    let openGate: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      openGate = resolve
    })
    store.glance = async (runId) => {
      const seen = await glance(runId)
      await gate
      return seen
    }
    let now = 0
    const registry = await registryOn(store, { clock: () => now })
    const reading = registry.read('a')
    await trainEpoch(await registry.owner('a'), 0)
    now = 1e9
    await registry.sweep()
    openGate()
    expect((await reading).nextEpoch).toBe(1)
    expect((await registry.read('a')).nextEpoch).toBe(1)
  })

  it('applies calls in their order that come while it is loaded', async () => {
    let now = 0
    const registry = await registryOn(memory(), { clock: () => now })
    await registry.create('a', spec)
    const { order } = await (await registry.owner('a')).planEpoch(
      { generation: 0, epoch: 0, rank: 0, worldSize: 1, lastSequence: 0, startPosition: 0 },
      forever,
      never,
    )
    now = 1e9
    await registry.sweep()
    const acks = Array.from(order, async (index, i) => {
      const report = { generation: 0, epoch: 0, rank: 0, sequence: i + 1 }
      const arrays = { indices: Uint32Array.of(index), losses: Float32Array.of(1) }
      return (await registry.owner('a')).report({ ...report, ...arrays })
    })
    await Promise.all(acks)
    expect((await registry.read('a')).progress.reports).toBe(40)
  })
})

describe('a finished run', () => {
  it('is removed when its time is over, also one that is not in memory', async () => {
    let now = 0
    const expired: string[] = []
    const store = memory()
    const registry = await registryOn(store, {
      clock: () => now,
      listener: { expired: (runId) => expired.push(runId) },
    })
    for (const runId of ['a', 'b', 'c']) await registry.create(runId, spec)
    await registry.finish('a')
    await registry.finish('b')
    now = 3_600_000
    await registry.sweep()
    expect(expired).toEqual([])
    await registry.read('a')
    now++
    await registry.sweep()
    expect(expired).toEqual(['a', 'b'])
    expect(await store.list()).toEqual(['c'])
  })

  it('stays when it was finished only in memory, and for its whole time after an import', async () => {
    let now = 0
    const first = await registryOn(memory(), { clock: () => now })
    await first.create('a', spec)
    await first.finish('a')
    now = 1e12
    const registry = await registryOn(memory(), { clock: () => now })
    await registry.import('', await first.export('a'))
    await registry.sweep()
    expect((await registry.read('a')).isFinished).toBe(true)
    now += 3_600_001
    await registry.sweep()
    await expect(registry.read('a')).rejects.toMatchObject({ reason: 'RUN_NOT_FOUND' })
  })

  it('does not hold up others where it cannot be removed', async () => {
    let now = 0
    const store = memory()
    const remove = store.remove.bind(store)
    store.remove = async (runId) => {
      if (runId === 'a') throw new StoreError('UNAVAILABLE', 'a', 'read-only')
      return remove(runId)
    }
    const failed: string[] = []
    const listener = { sweepFailed: (runId: string) => failed.push(runId) }
    const registry = await registryOn(store, { clock: () => now, listener })
    for (const runId of ['a', 'b']) {
      await registry.create(runId, spec)
      await registry.finish(runId)
    }
    now = 1e9
    await registry.sweep()
    expect(failed).toEqual(['a'])
    expect(await store.list()).toEqual(['a'])
    expect((await registry.read('a')).isFinished).toBe(true)
  })

  it('stays where finishedHours is 0', async () => {
    let now = 0
    const registry = await registryOn(memory(), { clock: () => now, limits: { finishedHours: 0 } })
    await registry.create('a', spec)
    await registry.finish('a')
    now = 1e15
    await registry.sweep()
    expect((await registry.read('a')).isFinished).toBe(true)
  })
})

describe('a look at every run at the start', () => {
  it('leaves none in memory but those that are called', async () => {
    const store = memory()
    const first = await registryOn(store)
    for (const runId of ['a', 'b', 'c']) {
      await first.create(runId, spec)
      await trainEpoch(await first.owner(runId), 0)
    }
    const loaded: string[] = []
    const registry = await registryOn(store, { listener: { loaded: ({ runId }) => loaded.push(runId) } })
    const called = registry.owner('b')
    await registry.readAll(never)
    expect(loaded.sort()).toEqual(['a', 'b', 'c'])
    expect(registry.memoryBytes).toBe(runBytes(sized(40)))
    expect((await called).isOpen).toBe(true)
    expect((await registry.read('a')).nextEpoch).toBe(1)
    expect(loaded).toHaveLength(3)
  })
})

describe('a store that fails', () => {
  it('makes a damaged run DATA_LOSS for itself alone, told once in the log', async () => {
    const store = memory()
    const first = await registryOn(store)
    for (const runId of ['a', 'b']) await first.create(runId, spec)
    const glance = store.glance.bind(store)
    store.glance = async (runId) => {
      if (runId === 'a') throw new StoreError('DAMAGED', 'a', 'a/3.journal, byte 77: the checksum does not fit')
      return glance(runId)
    }
    const damaged: string[] = []
    const registry = await registryOn(store, {
      listener: { damaged: (id, error) => damaged.push(`${id}: ${error.message}`) },
    })
    await registry.readAll(never)
    expect(damaged).toEqual(['a: a/3.journal, byte 77: the checksum does not fit'])
    await expect(registry.read('a')).rejects.toMatchObject({ reason: 'RUN_DAMAGED' })
    await expect(async () => registry.owner('a')).rejects.toMatchObject({ reason: 'RUN_DAMAGED' })
    expect(await registry.list(0, '')).toMatchObject({ runs: [{ runId: 'b' }], damaged: ['a'] })
    await trainEpoch(await registry.owner('b'), 0)
    await registry.delete('a')
    expect((await registry.list(0, '')).damaged).toEqual([])
    expect(damaged).toHaveLength(1)
  })

  it('reads a run again from its record after an event was refused, and tells the log why it was', async () => {
    const store = memory()
    const failures: string[] = []
    const listener = { storeFailed: (id: string, error: Error) => failures.push(`${id}: ${error.message}`) }
    const registry = await registryOn(store, { listener })
    await registry.create('a', spec)
    const owner = await registry.owner('a')
    await trainEpoch(owner, 0)
    const before = await registry.read('a')
    const { prototype } = Object.getPrototypeOf((await store.open('a')).lease).constructor
    const append = prototype.append
    prototype.append = async () => {
      throw new StoreError('UNAVAILABLE', 'a', 'no space left on device')
    }
    const again = await registry.owner('a')
    await expect(again.finish()).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' })
    expect(failures).toEqual(['a: no space left on device'])
    prototype.append = append
    expect(again.isOpen).toBe(false)
    expect(await registry.read('a')).toEqual(before)
    expect((await registry.finish('a')).isFinished).toBe(true)
  })

  describe('with scores from other runs', () => {
    const forgetting = (settings: object = {}) =>
      ({ name: 'static_score', settings: { metric: 'forgetting', ...settings } }) as const
    const observing = { ...spec, policy: forgetting({ observeEpochs: 2 }) }
    const from = (...scoresFrom: string[]) => ({ ...spec, policy: forgetting({ scoresFrom }) })

    /** Trains a run for two epochs in which each sample is right as `isRight` says. */
    async function observe(registry: RunRegistry, runId: string, isRight: (index: number, epoch: number) => boolean) {
      await registry.create(runId, observing)
      const owner = await registry.owner(runId)
      for (const epoch of [0, 1]) {
        const request = {
          generation: 0,
          epoch,
          rank: 0,
          worldSize: 1,
          lastSequence: Math.min(epoch, 1),
          startPosition: 0,
        }
        const { order: indices } = await owner.planEpoch(request, forever, never)
        const values = Float32Array.from(indices, (index) => Number(isRight(index, epoch)))
        const losses = new Float32Array(40).fill(1)
        const metrics = [{ name: 'correct', values }]
        await owner.report({ generation: 0, epoch, rank: 0, sequence: 1, indices, losses, metrics })
      }
    }

    it('keeps the hardest by their mean, counts what they cost, and has them still after it went back', async () => {
      const registry = await registryOn(memory())
      // Sample 7 is never learnt in both, samples below 20 are forgotten in the second.
      await observe(registry, 'a', (index) => index !== 7)
      await observe(registry, 'b', (index, epoch) => index !== 7 && (index >= 20 || epoch === 0))
      const facts = await registry.create('c', from('a', 'b'))
      expect(facts.progress.samplesPlannedElsewhere).toBe(160)
      expect(facts.spec).toMatchObject({ warmupEpochs: 0, metrics: [] })
      const kept = async () => {
        const owner = await registry.owner('c')
        const request = { generation: 0, epoch: 0, rank: 0, worldSize: 1, lastSequence: 0, startPosition: 0 }
        return (await owner.planEpoch(request, forever, never)).order.toSorted()
      }
      const hardest = Uint32Array.from({ length: 20 }, (_, index) => index)
      expect(await kept()).toEqual(hardest)
      expect((await registry.read('c')).saving).toBe(1 - (20 + 160) / 40)
      await registry.rewind('c', 0, 0)
      expect(await kept()).toEqual(hardest)
      expect((await registry.read('c')).progress.samplesPlannedElsewhere).toBe(160)
      // The same call again answers the run, whatever became of the others since.
      await registry.delete('a')
      expect((await registry.create('c', from('a', 'b'))).runId).toBe('c')
      await registry.close(new Error('the end'))
    })

    it.each([
      ['there is no such run', from('none')],
      [
        'which observes no el2n',
        { ...spec, policy: { name: 'static_score', settings: { metric: 'el2n', scoresFrom: ['a'] } } },
      ],
      ['which observes no forgetting', from('ucb')],
      ['which has 40 samples, not 39; name runs of the same data', { ...from('a'), sampleCount: 39 }],
      ['which has not been trained yet', from('a', 'new')],
      ['is "a", as scores_from[0] is', from('a', 'a')],
    ] as const)('refuses a run of whom %s', async (problem, asked) => {
      const registry = await registryOn(memory())
      await observe(registry, 'a', () => true)
      await registry.create('ucb', spec)
      await registry.create('new', observing)
      await expect(registry.create('c', asked)).rejects.toThrow(problem)
      await registry.close(new Error('the end'))
    })
  })
})

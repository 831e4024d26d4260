import { describe, expect, it } from 'vitest'
import type { RunJournal, RunStore } from './ports.js'
import { RunRegistry } from './run-registry.js'
import { ownerParts } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'

const spec = requestedSpec()

/** A store whose calls end when the test lets them: `log` has what was asked, in order. */
class GatedStore implements RunStore {
  readonly durability = 'test'
  readonly log: string[] = []
  #open: () => void = () => {}
  #gate = new Promise<void>((resolve) => {
    this.#open = resolve
  })

  open(): void {
    this.#open()
  }

  async create({ runId }: { runId: string }): Promise<RunJournal> {
    this.log.push(`create ${runId}`)
    await this.#gate
    return { append: async () => {} }
  }

  async remove(runId: string): Promise<void> {
    this.log.push(`remove ${runId}`)
    await this.#gate
  }
}

function registryOn(store: RunStore, limits = { maxRuns: 10, maxSamples: 1000 }) {
  return new RunRegistry(store, limits, ownerParts())
}

describe('RunRegistry', () => {
  it('creates a run once when it is asked twice at the same time', async () => {
    const store = new GatedStore()
    const registry = registryOn(store)
    const created = [registry.create('a', spec), registry.create('a', spec)]
    store.open()
    const [first, second] = await Promise.all(created)
    expect(first).toBe(second)
    expect(store.log).toEqual(['create a'])
  })

  it('refuses the second of two specs for one run_id at the same time', async () => {
    const store = new GatedStore()
    const registry = registryOn(store)
    const created = [registry.create('a', spec), registry.create('a', { ...spec, seed: 7n })]
    store.open()
    const [, second] = await Promise.allSettled(created)
    expect(second).toMatchObject({
      reason: { reason: 'RUN_EXISTS', message: expect.stringContaining('spec.seed is "7", there "0"') },
    })
  })

  it('keeps the limit of runs, also when two are created at the same time', async () => {
    const store = new GatedStore()
    const registry = registryOn(store, { maxRuns: 1, maxSamples: 1000 })
    const created = [registry.create('a', spec), registry.create('b', spec)]
    store.open()
    const results = await Promise.allSettled(created)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(results[1]).toMatchObject({ reason: { reason: 'TOO_MANY_RUNS' } })
    await registry.delete('a')
    await registry.create('b', spec)
  })

  it('creates a run again only after its record is gone', async () => {
    const store = new GatedStore()
    const registry = registryOn(store)
    store.open()
    await registry.create('a', spec)
    const changes = [registry.delete('a'), registry.create('a', { ...spec, seed: 7n })]
    await Promise.all(changes)
    expect(store.log).toEqual(['create a', 'remove a', 'create a'])
    expect(registry.get('a').run.spec.seed).toBe(7n)
  })

  it('ends who waits in a run that is deleted, and knows it no more', async () => {
    const store = new GatedStore()
    const registry = registryOn(store)
    store.open()
    await registry.create('a', spec)
    const request = { epoch: 0, rank: 0, worldSize: 2, lastSequence: 0, startPosition: 0 }
    const waiting = registry.get('a').planEpoch(request, Number.POSITIVE_INFINITY, new AbortController().signal)
    await Promise.all([expect(waiting).rejects.toMatchObject({ reason: 'RUN_NOT_FOUND' }), registry.delete('a')])
    expect(() => registry.get('a')).toThrow('there is no run "a"')
    await expect(registry.delete('a')).rejects.toMatchObject({ reason: 'RUN_NOT_FOUND' })
  })

  it('pages in the order of run_id, whatever was created first', async () => {
    const store = new GatedStore()
    const registry = registryOn(store)
    store.open()
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

import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../store/memory/memory-store.js'
import { imageOf } from './image/write-image.js'
import { Run } from './run.js'
import { RunOwner } from './run-owner.js'
import { resolveRunSpec } from './run-spec.js'
import { newState } from './run-state.js'
import { StoreError } from './store-error.js'
import { ownerParts } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'
import { trainEpoch } from './testing/trained-run.js'

const spec = resolveRunSpec(requestedSpec({ sampleCount: 60, seed: 3n, selectionPeriod: 1, totalEpochs: 9 }))

async function ownerOn(store: MemoryStore): Promise<RunOwner> {
  const run = new Run({ runId: 'r', spec, time: 0 })
  const lease = await store.create('r', [{ image: imageOf(run), epochStart: 0 }])
  return new RunOwner(run, lease, ownerParts())
}

async function trained(epochs: number, epochStarts = 3) {
  const owner = await ownerOn(new MemoryStore({ epochStarts }))
  const digests: string[] = []
  for (let epoch = 0; epoch < epochs; epoch++) digests.push(await trainEpoch(owner, epoch))
  return { owner, digests }
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

const statisticsOf = ({ run }: RunOwner) => [
  [...run.statistics.mean],
  [...run.statistics.variance],
  [...run.statistics.lastLoss],
  [...run.statistics.timesKept],
  run.progress,
]

describe('RunOwner.rewind', () => {
  it('goes back to the start of an epoch, and then makes the same plans again', async () => {
    const { owner, digests } = await trained(5)
    const after = statisticsOf(owner)
    const facts = await owner.rewind(3, 1)
    expect(facts).toMatchObject({ nextEpoch: 3, generation: 2, epochStarts: [0, 2, 3] })
    expect(owner.run.plan?.epoch).toBe(2)
    for (let epoch = 3; epoch < 5; epoch++) expect(await trainEpoch(owner, epoch)).toBe(digests[epoch])
    expect(statisticsOf(owner)).toEqual(after)
  })

  it('goes back from the middle of an epoch, and to the epoch that has no plan yet', async () => {
    const { owner } = await trained(3)
    const twin = await trained(4)
    await trainEpoch(owner, 3, { reports: 2 })
    expect((await owner.rewind(3, 0)).nextEpoch).toBe(3)
    expect((await owner.rewind(3, 0)).generation).toBe(3)
    expect(await trainEpoch(owner, 3)).toBe(twin.digests[3])
    expect(statisticsOf(owner)).toEqual(statisticsOf(twin.owner))
  })

  it('keeps the last epoch starts and names them when it cannot go further back', async () => {
    const { owner } = await trained(6)
    expect(owner.facts.epochStarts).toEqual([0, 3, 4, 5, 6])
    await expect(owner.rewind(2, 0)).rejects.toMatchObject({
      reason: 'EPOCH_START_GONE',
      message: expect.stringMatching(/epoch is 2.*start of epoch 0, 3, 4, 5, 6 only.*--epoch-starts/),
    })
    await expect(owner.rewind(7, 0)).rejects.toMatchObject({ reason: 'EPOCH_START_GONE' })
    expect(owner.run.generation).toBe(1)
  })

  it('can go back further from where it went back to, and nowhere into the life that it left', async () => {
    const { owner } = await trained(6, 5)
    await owner.rewind(4, 0)
    expect(owner.facts.epochStarts).toEqual([0, 1, 2, 3, 4])
    await owner.rewind(2, 0)
    expect(owner.facts).toMatchObject({ epochStarts: [0, 1, 2], generation: 3 })
  })

  it.each([0, 1, 3])('goes back to epoch 0 where %d epoch starts are kept, time and again', async (epochStarts) => {
    const { owner, digests } = await trained(6, epochStarts)
    const after = statisticsOf(owner)
    for (const generation of [1, 2]) {
      const facts = await owner.rewind(0, generation)
      expect(facts).toMatchObject({ nextEpoch: 0, generation: generation + 1, epochStarts: [0], isFinished: false })
      expect(facts.progress).toMatchObject({ epochsPlanned: 0, reports: 0, observations: 0, selections: 0 })
      expect(owner.run.plan).toBeUndefined()
      for (let epoch = 0; epoch < 6; epoch++) expect(await trainEpoch(owner, epoch)).toBe(digests[epoch])
      expect(statisticsOf(owner)).toEqual(after)
      await owner.finish()
    }
  })

  it('at the start of epoch 0 leaves nothing but the settings, the name and the time of creation', async () => {
    const store = new MemoryStore({ epochStarts: 2 })
    const owner = await ownerOn(store)
    for (let epoch = 0; epoch < 4; epoch++) await trainEpoch(owner, epoch)
    await owner.rewind(0, 0)
    const { runId, createTime } = owner.run
    const state = { ...newState(createTime), generation: 2, rewoundTo: 0 }
    const expected = Buffer.concat([...imageOf(new Run({ runId, spec, time: createTime }, { state }))])
    expect(Buffer.concat([...imageOf(owner.run)])).toEqual(expected)
    // So is what the next process finds.
    const { image, events } = await store.open('r')
    expect(Buffer.concat(await all(image))).toEqual(expected)
    expect(await all(events)).toEqual([])
  })

  it('needs nothing that is kept to go back to epoch 0: damage of its start does not stand in the way', async () => {
    const lease = await new MemoryStore({ epochStarts: 5 }).create('r', [
      { image: imageOf(new Run({ runId: 'r', spec, time: 0 })), epochStart: 0 },
    ])
    const damaged = Object.assign(lease, {
      // biome-ignore lint/correctness/useYield: it is damaged from its first byte on.
      readEpochStart: async function* (epoch: number): AsyncGenerator<Uint8Array> {
        throw new StoreError('DAMAGED', 'r', `the start of epoch ${epoch} is damaged`)
      },
    })
    const owner = new RunOwner(new Run({ runId: 'r', spec, time: 0 }), damaged, ownerParts())
    for (const epoch of [0, 1]) await trainEpoch(owner, epoch)
    await expect(owner.rewind(1, 0)).rejects.toMatchObject({ reason: 'RUN_DAMAGED' })
    expect(await owner.rewind(0, 1)).toMatchObject({ generation: 2, nextEpoch: 0 })
  })

  it('shuts out the life before: its plans, its reports, and those who wait', async () => {
    const { owner } = await trained(2)
    const request = { generation: 1, epoch: 2, rank: 0, worldSize: 2, lastSequence: 0, startPosition: 0 }
    const waiting = owner.planEpoch(request, Number.POSITIVE_INFINITY, new AbortController().signal)
    const refused = expect(waiting).rejects.toMatchObject({ reason: 'STALE_GENERATION' })
    await owner.rewind(1, 1)
    await refused
    const report = {
      generation: 1,
      epoch: 1,
      rank: 0,
      sequence: 1,
      indices: Uint32Array.of(1),
      losses: Float32Array.of(1),
    }
    await expect(owner.report(report)).rejects.toMatchObject({ reason: 'STALE_GENERATION' })
    await expect(owner.planEpoch(request, 0, new AbortController().signal)).rejects.toMatchObject({
      reason: 'STALE_GENERATION',
      message: expect.stringContaining('generation is 1, but run "r" was rewound and is in generation 2'),
    })
    await expect(owner.finish(1)).rejects.toMatchObject({ reason: 'STALE_GENERATION' })
    await expect(owner.rewind(0, 1)).rejects.toMatchObject({ reason: 'STALE_GENERATION' })
  })

  it('answers the same rewind again, until something else happens', async () => {
    const { owner } = await trained(3)
    await owner.rewind(2, 1)
    expect(await owner.rewind(2, 1)).toMatchObject({ generation: 2, nextEpoch: 2 })
    await trainEpoch(owner, 2)
    await expect(owner.rewind(2, 1)).rejects.toMatchObject({ reason: 'STALE_GENERATION' })
  })

  it('goes back to the start of an epoch that is still being saved', async () => {
    const { owner } = await trained(1)
    await trainEpoch(owner, 1, { reports: 0 })
    expect(owner.facts.epochStarts).toEqual([0, 2])
    expect((await owner.rewind(1, 0)).epochStarts).toEqual([0, 1])
  })

  it('opens a finished run again', async () => {
    const { owner, digests } = await trained(3)
    await owner.finish()
    expect(await owner.rewind(2, 0)).toMatchObject({ isFinished: false })
    expect(await trainEpoch(owner, 2)).toBe(digests[2])
  })
})

import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../store/memory/memory-store.js'
import { RunRegistry } from '../run-registry.js'
import { ownerParts } from '../testing/owner-parts.js'
import { requestedSpec } from '../testing/requested-spec.js'
import { testLimits } from '../testing/test-limits.js'
import { trainEpoch } from '../testing/trained-run.js'

const open = () => RunRegistry.open(new MemoryStore({ epochStarts: 2 }), testLimits(), ownerParts())

async function* piecesOf(bytes: Uint8Array) {
  yield bytes.subarray(0, 100)
  yield bytes.subarray(100)
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

/** A registry with run "a" in the middle of epoch 3, and its export. */
async function exported() {
  const registry = await open()
  await registry.create('a', requestedSpec({ sampleCount: 50, selectionPeriod: 1 }))
  const owner = await registry.owner('a')
  for (let epoch = 0; epoch < 3; epoch++) await trainEpoch(owner, epoch)
  await trainEpoch(owner, 3, { reports: 2 })
  return { registry, owner, bytes: await bytesOf(await registry.export('a')) }
}

describe('an export', () => {
  it('goes on elsewhere with the same plans, and can be rewound there', async () => {
    const { owner, bytes } = await exported()
    const other = await open()
    const facts = await other.import('', piecesOf(bytes))
    expect(facts).toEqual(owner.facts)
    const copy = await other.owner('a')
    expect(copy.run.plan?.digest).toEqual(owner.run.plan?.digest)
    expect(await trainEpoch(copy, 4)).toBe(await trainEpoch(owner, 4))
    await other.rewind('a', 3, 0)
    await owner.rewind(3, 0)
    expect(await trainEpoch(await other.owner('a'), 3)).toBe(await trainEpoch(owner, 3))
  })

  it('takes another name beside the run that it was made of', async () => {
    const { registry, bytes } = await exported()
    await expect(registry.import('', piecesOf(bytes))).rejects.toMatchObject({ reason: 'RUN_EXISTS' })
    expect(await registry.import('b', piecesOf(bytes))).toMatchObject({ runId: 'b', nextEpoch: 4 })
    await registry.rewind('b', 3, 0)
    expect(await registry.read('a')).toMatchObject({ nextEpoch: 4, generation: 1 })
  })

  it('is refused with a text, and leaves nothing behind, where a byte differs or the end is missing', async () => {
    const { bytes } = await exported()
    const other = await open()
    const refused = (changed: Uint8Array) =>
      expect(other.import('', piecesOf(changed))).rejects.toMatchObject({
        reason: 'INVALID_FIELD',
        message: expect.stringContaining('the export cannot be used'),
      })
    for (let at = 0; at < bytes.length; at += 13) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ 0x10
      await refused(changed)
      await refused(bytes.subarray(0, at))
    }
    await refused(Buffer.concat([bytes, Buffer.of(1)]))
    expect(await other.list(0, '')).toMatchObject({ runs: [], damaged: [] })
    expect(other.memoryBytes).toBe(0)
  })

  it('is held to the limits of the sampler that takes it', async () => {
    const { bytes } = await exported()
    const small = await RunRegistry.open(
      new MemoryStore({ epochStarts: 0 }),
      testLimits({ maxSamples: 49 }),
      ownerParts(),
    )
    await expect(small.import('', piecesOf(bytes))).rejects.toMatchObject({ reason: 'TOO_MANY_SAMPLES' })
    const full = await RunRegistry.open(
      new MemoryStore({ epochStarts: 0 }),
      testLimits({ maxMemoryBytes: 1000 }),
      ownerParts(),
    )
    await expect(full.import('', piecesOf(bytes))).rejects.toMatchObject({ reason: 'OUT_OF_MEMORY' })
  })
})

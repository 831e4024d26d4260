import { createHash } from 'node:crypto'
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

/** An export in which the header of the nth image is another, and the checksum fits. */
function resealed(bytes: Buffer, replace: (json: string) => string, nth: number): Buffer {
  let at = -1
  for (let i = 0; i <= nth; i++) at = bytes.indexOf('KEEPSETI', at + 1)
  const start = at + 16
  const end = start + bytes.readUInt32LE(at + 12)
  const header = bytes.toString('utf8', start, end)
  const changed = Buffer.from(replace(header))
  expect(changed.toString()).not.toBe(header)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(changed.length)
  const body = Buffer.concat([bytes.subarray(0, at + 12), length, changed, bytes.subarray(end, -32)])
  return Buffer.concat([body, createHash('sha256').update(body).digest()])
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

  it('is refused where its parts do not belong together, whatever its checksum says', async () => {
    const { bytes } = await exported()
    const text = (replace: (json: string) => string, nth: number) => resealed(bytes, replace, nth)
    const refused = async (changed: Uint8Array, why: RegExp) => {
      const other = await open()
      await expect(other.import('', piecesOf(changed))).rejects.toMatchObject({
        reason: 'INVALID_FIELD',
        message: expect.stringMatching(why),
      })
      expect(other.memoryBytes).toBe(0)
    }
    const swap = (from: string | RegExp, to: string) => (json: string) => json.replace(from, to)
    await refused(text(swap('"seed":"0"', '"seed":"-1"'), 0), /seed is "-1"/)
    await refused(text(swap('"seed":"0"', '"seed":"18446744073709551616"'), 0), /seed is/)
    await refused(text(swap('"sampleCount":50', '"sampleCount":"50"'), 0), /sampleCount is "50"; it must be a whole/)
    await refused(text(swap('"sampleCount":50', '"sampleCount":49.5'), 0), /sampleCount is 49.5/)
    await refused(text(swap('"warmupEpochs":1', '"warmupEpochs":-5'), 0), /warmupEpochs is -5/)
    await refused(
      text(swap('"shardMode":"pad"', '"shardMode":"x"'), 0),
      /shardMode is "x"; it must be one of pad, drop/,
    )
    await refused(text(swap('"initial":"first_loss"', '"initial":"x"'), 0), /initial is "x"/)
    await refused(text(swap('"alpha":0.8', '"alpha":"0.8"'), 0), /alpha is "0.8"/)
    await refused(text(swap('"name":"ucb"', '"name":"toString"'), 0), /policy is "toString"/)
    await refused(text(swap('"selections":3', '"selections":1099511627776'), 0), /selections is/)
    await refused(text(swap('"selections":3', '"selections":0'), 0), /do(es)? not fit together/)
    await refused(text(swap('"generation":1', '"generation":4294967295'), 0), /generation is/)
    await refused(text(swap('"reason":"selected"', '"reason":"warmup"'), 0), /was warmup, and should be selected/)
    await refused(text(swap(/"samplesPlanned":\d+/, '"samplesPlanned":0'), 0), /0 samples planned/)
    await refused(text(swap('"selectionEpoch":3', '"selectionEpoch":0'), 0), /samples kept in epoch 0/)
    await refused(text(swap('"seed":"0"', '"seed":"9"'), 1), /start of epoch 2 of the same run/)
    await refused(text(swap(/"runId":"a"/, '"runId":7'), 0), /runId is 7/)
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

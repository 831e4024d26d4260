import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../store/memory/memory-store.js'
import { Run } from '../run.js'
import { RunOwner } from '../run-owner.js'
import { resolveRunSpec } from '../run-spec.js'
import { ownerParts } from '../testing/owner-parts.js'
import { requestedSpec } from '../testing/requested-spec.js'
import { trainEpoch } from '../testing/trained-run.js'
import { ByteReader } from './byte-reader.js'
import { ImageError } from './image-error.js'
import { readImageBody, readImageHeader } from './read-image.js'
import { imageOf, writeImage } from './write-image.js'

/** All pieces; each is copied before the next is asked for. */
const joined = (pieces: Iterable<Uint8Array>) => Buffer.concat(Array.from(pieces, (piece) => Buffer.from(piece)))
const imageBytes = (run: Run) => joined(imageOf(run))

async function read(bytes: Uint8Array, pieceBytes = bytes.length): Promise<Run> {
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  const reader = new ByteReader(pieces())
  const run = await readImageBody(reader, await readImageHeader(reader))
  await reader.expectEnd()
  return run
}

/** A run that has trained some epochs, the last of them not to its end. */
async function trained(sampleCount = 100, metrics = ['correct', 'margin'], worldSize = 2) {
  const seed = 0xffffffffffffffffn
  const requested = requestedSpec({ sampleCount, seed, selectionPeriod: 1, pruneRate: 0.3, metrics })
  const run = new Run({ runId: 'r', spec: resolveRunSpec(requested), time: 1 })
  const lease = await new MemoryStore({ epochStarts: 0 }).create('r', [{ image: imageOf(run), epochStart: 0 }])
  const owner = new RunOwner(run, lease, ownerParts())
  await trainEpoch(owner, 0, { worldSize })
  await trainEpoch(owner, 1, { worldSize })
  await trainEpoch(owner, 2, { worldSize, reports: 3 })
  return { run, owner }
}

describe('the image of a run', () => {
  it('gives the same run back, whatever the pieces that it comes in', async () => {
    const { run, owner } = await trained()
    const bytes = imageBytes(run)
    for (const pieceBytes of [bytes.length, 1000, 1]) {
      const restored = await read(bytes, pieceBytes)
      expect(imageBytes(restored).equals(bytes)).toBe(true)
      expect(restored.spec).toEqual(run.spec)
      expect(restored.progress).toEqual(run.progress)
      expect(restored.plan?.digest).toEqual(run.plan?.digest)
      expect([...restored.statistics.lastLoss]).toEqual([...run.statistics.lastLoss])
      expect(restored.statistics.metrics).toEqual(run.statistics.metrics)
      expect([0, 1].map((rank) => restored.lastSequence(2, rank))).toEqual([3, 3])
      expect([0, 1].map((rank) => restored.lastSequence(1, rank))).toEqual(
        [0, 1].map((rank) => run.lastSequence(1, rank)),
      )
    }
    // A loss that was observed in this epoch stays observed.
    const { order } = run.plan as { order: Uint32Array }
    const again = {
      type: 'losses_reported',
      time: 2,
      epoch: 2,
      rank: 0,
      sequence: 4,
      indices: order.slice(0, 8),
    } as const
    const restored = await read(bytes)
    for (const each of [run, restored]) each.apply({ ...again, losses: new Float32Array(8).fill(9) })
    expect(restored.progress).toEqual(run.progress)
    await owner.release()
  })

  const eight = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

  it.each([
    ['16.2 bytes a sample then', []],
    ['4 more for each metric', eight],
  ])('is small as long as nothing was seen, and %s', async (_, metrics) => {
    const spec = resolveRunSpec(requestedSpec({ sampleCount: 1_000_000, metrics }))
    const empty = new Run({ runId: 'r', spec, time: 0 })
    expect(imageBytes(empty).length).toBeLessThan(130_000)
    const { run } = await trained(100_000, metrics)
    expect(imageBytes(run).length / 100_000 - 4 * metrics.length).toBeLessThan(16.3)
    for (const piece of imageOf(run)) expect(piece.length).toBeLessThanOrEqual(1_000_000)
  })

  it('has the metrics of samples of which nothing else is known', async () => {
    const spec = resolveRunSpec(requestedSpec({ sampleCount: 40_000, metrics: ['correct'] }))
    const run = new Run({ runId: 'r', spec, time: 0 })
    run.apply({ type: 'epoch_planned', time: 0, epoch: 0, worldSize: 1, reason: 'warmup' })
    const report = { type: 'losses_reported', time: 0, epoch: 0, rank: 0, sequence: 1 } as const
    const metrics = [{ metric: 0, values: Float32Array.of(0.5) }]
    run.apply({ ...report, indices: Uint32Array.of(39_999), losses: Float32Array.of(Number.NaN), metrics })
    const { statistics } = await read(imageBytes(run))
    expect([statistics.metrics[0]?.[39_998], statistics.metrics[0]?.[39_999]]).toEqual([Number.NaN, 0.5])
  })

  it('comes in few memories, not in a new one for each block', async () => {
    const { run } = await trained(100_000, ['correct'])
    const pieces = [...imageOf(run)].filter(({ length }) => length > 0x10000)
    expect(pieces.length).toBeGreaterThan(3)
    expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(1)
  })

  it('has its columns one after the other in each block, whatever the number of samples', async () => {
    const sampleCount = 0x8000 + 13
    const { run } = await trained(sampleCount, ['correct'])
    const bytes = imageBytes(run)
    const tail = bytes.subarray(bytes.length - 13 * 20 - 1)
    const { mean, variance, lastLoss, observations, timesKept, metrics } = run.statistics
    const columns = [mean, variance, lastLoss, observations, timesKept, ...metrics].map((values) =>
      Buffer.from(values.slice(0x8000).buffer),
    )
    expect(tail.equals(Buffer.concat([Buffer.of(1), ...columns]))).toBe(true)
  })

  it('from before there were metrics is that of a run without any', async () => {
    const { run } = await trained(100, [])
    const bytes = imageBytes(run)
    const length = bytes.readUInt32LE(12)
    const header = JSON.parse(bytes.subarray(16, 16 + length).toString())
    expect(header.spec.metrics).toEqual([])
    delete header.spec.metrics
    const older = Buffer.from(JSON.stringify(header))
    const start = Buffer.concat([bytes.subarray(0, 12), Buffer.alloc(4)])
    start.writeUInt32LE(older.length, 12)
    const restored = await read(Buffer.concat([start, older, bytes.subarray(16 + length)]))
    expect(restored.spec).toEqual(run.spec)
    expect(imageBytes(restored).equals(bytes)).toBe(true)
  })

  it('is that of the moment of the capture, while the run goes on', async () => {
    const { run, owner } = await trained(5000)
    const before = imageBytes(run)
    const capture = run.capture()
    const image = writeImage(capture)
    const first = Buffer.from(image.next().value as Uint8Array)
    await trainEpoch(owner, 3)
    const bytes = Buffer.concat([first, joined(image)])
    capture.statistics.release()
    expect(bytes.equals(before)).toBe(true)
    expect(imageBytes(run).equals(before)).toBe(false)
  })

  it('is that of the moment also where samples were kept as often as can be counted', async () => {
    const { run } = await trained()
    run.statistics.timesKept.fill(0xffff)
    const bytes = imageBytes(run)
    const restored = await read(bytes)
    const capture = restored.capture()
    restored.statistics.countKept(restored.keptSet)
    expect(joined(writeImage(capture)).equals(bytes)).toBe(true)
  })

  it('is refused where it is cut or goes on too long', async () => {
    const bytes = imageBytes((await trained()).run)
    for (let length = 0; length < bytes.length; length += 7) {
      await expect(read(bytes.subarray(0, length), 4096)).rejects.toBeInstanceOf(ImageError)
    }
    await expect(read(Buffer.concat([bytes, Buffer.of(0)]))).rejects.toThrow('more follows where the end should be')
  })

  it('is refused where a metric is infinite', async () => {
    const bytes = imageBytes((await trained(100, ['correct'])).run)
    bytes.writeFloatLE(Number.NEGATIVE_INFINITY, bytes.length - 4)
    await expect(read(bytes)).rejects.toThrow('a metric of a sample from 0 on is infinite')
  })

  it.each([
    [{ epoch: 9 }, 'that does not fit together'],
    [{ overlap: -1e300 }, 'that does not fit together'],
    [{ alwaysCount: 4e9 }, 'that does not fit together'],
    [{ timesKept: [1, 2] }, 'that does not fit together'],
    [{ timesKept: [2 ** 53 - 1, -1] }, 'it must be at most 64 whole numbers'],
    [{ timesKept: new Array(65).fill(0) }, 'it must be at most 64 whole numbers'],
    [undefined, 'its 0 selections are not those of the run'],
  ])('is refused where what came of its selections cannot be: %j', async (change, problem) => {
    const bytes = imageBytes((await trained()).run)
    const length = bytes.readUInt32LE(12)
    const header = JSON.parse(bytes.subarray(16, 16 + length).toString())
    const { selections } = header.state
    expect(selections.length).toBeGreaterThan(0)
    header.state.selections = change ? [{ ...selections[0], ...change }, ...selections.slice(1)] : []
    const changed = Buffer.from(JSON.stringify(header))
    const start = Buffer.concat([bytes.subarray(0, 12), Buffer.alloc(4)])
    start.writeUInt32LE(changed.length, 12)
    await expect(read(Buffer.concat([start, changed, bytes.subarray(16 + length)]))).rejects.toThrow(problem)
  })

  it('of a newer version is refused with both versions', async () => {
    const bytes = imageBytes((await trained()).run)
    bytes.writeUInt32LE(7, 8)
    await expect(read(bytes)).rejects.toThrow(
      /format version 7, which a newer version of Keepset writes; this one reads 1/,
    )
  })

  it('never gives a run that cannot be: any change of a byte is refused, or gives another whole run', async () => {
    const bytes = imageBytes((await trained()).run)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] as number) ^ flip
        const restored = await read(changed).catch((error: unknown) => error)
        if (restored instanceof ImageError) return
        expect(restored).toBeInstanceOf(Run)
        const { plan, statistics, spec } = restored as Run
        expect(statistics.mean.every(Number.isFinite)).toBe(true)
        expect(statistics.metrics.flatMap((values) => [...values])).not.toContain(Number.POSITIVE_INFINITY)
        expect(plan?.order.every((index) => index < spec.sampleCount)).toBe(true)
      }),
      { numRuns: 1500 },
    )
  })
})

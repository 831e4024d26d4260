import { describe, expect, it } from 'vitest'
import type { LossesReported } from '../../runs/run-event.js'
import { MemoryRecord } from './memory-record.js'
import { SavedImage } from './saved-image.js'

const EPOCH_STARTS = 1

async function save(record: MemoryRecord, fill: number): Promise<SavedImage> {
  const image = [new Uint8Array(4).fill(fill)]
  const saved = await SavedImage.read({ image, epochStart: fill }, 0, record.takeSpare())
  record.save(saved)
  return saved
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<number[]> {
  const bytes: number[] = []
  for await (const piece of stream) bytes.push(...piece)
  return bytes
}

const memoryOf = (image: SavedImage) => image.giveUp()?.[0]

describe('MemoryRecord', () => {
  it('has the memory of an image that is kept no more for the next one', async () => {
    const record = new MemoryRecord(EPOCH_STARTS)
    const [first, second, third] = [await save(record, 0), await save(record, 1), await save(record, 2)]
    expect(memoryOf(third)).toBe(memoryOf(first))
    expect(memoryOf(third)).not.toBe(memoryOf(second))
    expect(await bytesOf(third.stream())).toEqual([2, 2, 2, 2])
  })

  it('leaves it alone while a stream of that image may still be read', async () => {
    const record = new MemoryRecord(EPOCH_STARTS)
    const first = await save(record, 0)
    const [unread, begun] = [first.stream(), first.stream()]
    await begun.next()
    await begun.return(undefined)
    for (const fill of [1, 2, 3]) await save(record, fill)
    expect(await bytesOf(unread)).toEqual([0, 0, 0, 0])
    expect(first.giveUp()).toBeDefined()
  })

  it.each([[], [0, 3]])('keeps no more memory for a report than its arrays have, metrics %j', (...places) => {
    const record = new MemoryRecord(EPOCH_STARTS)
    const slab = new ArrayBuffer(0x40000)
    const report: LossesReported = {
      ...{ type: 'losses_reported', time: 1, epoch: 2, rank: 3, sequence: 4 },
      indices: new Uint32Array(slab, 400, 3).fill(7),
      losses: new Float32Array(slab, 800, 3).fill(0.5),
      ...(places.length > 0
        ? { metrics: places.map((metric) => ({ metric, values: new Float32Array(slab, 1200, 3).fill(metric) })) }
        : {}),
    }
    record.append(report)
    const kept = record.eventAt(0) as LossesReported
    expect(kept).toEqual(report)
    const arrays = [kept.indices, kept.losses, ...(kept.metrics ?? []).map(({ values }) => values)]
    const held = [...new Set(arrays.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(held).toBe(4 * 3 * arrays.length)
  })

  it('gives it away once', async () => {
    const record = new MemoryRecord(EPOCH_STARTS)
    const first = await save(record, 0)
    await save(record, 1)
    const bytes = new Uint8Array(4)
    expect(record.takeSpare().copy(bytes)).toBe(memoryOf(first))
    expect(record.takeSpare().copy(bytes)).not.toBe(memoryOf(first))
  })
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Batch, cutBatches } from './batches.js'

async function* inPieces(sizes: readonly number[]) {
  let next = 0
  for (const size of sizes) yield Uint32Array.from({ length: size }, () => next++)
}

it('cuts pieces of any sizes into equal batches and a shorter last one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(40), { maxLength: 12 }),
      fc.integer({ min: 1, max: 50 }),
      fc.nat(1_000),
      async (sizes, batchSize, start) => {
        const total = sizes.reduce((sum, size) => sum + size, 0)
        const batches: Batch[] = []
        for await (const batch of cutBatches(inPieces(sizes), batchSize, start)) batches.push(batch)
        expect(batches.flatMap(({ indices }) => [...indices])).toEqual(Array.from({ length: total }, (_, i) => i))
        expect(batches.map(({ startPosition }) => startPosition)).toEqual(batches.map((_, i) => start + i * batchSize))
        expect(batches.slice(0, -1).every(({ indices }) => indices.length === batchSize)).toBe(true)
        expect(batches.every(({ indices }) => indices.length > 0 && indices.length <= batchSize)).toBe(true)
      },
    ),
  )
})

it('hands out copies', async () => {
  const piece = Uint32Array.of(1, 2, 3, 4)
  async function* once() {
    yield piece
  }
  for await (const batch of cutBatches(once(), 2, 0)) batch.indices.fill(9)
  expect([...piece]).toEqual([1, 2, 3, 4])
})

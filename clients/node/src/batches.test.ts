import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Batch, cutBatches } from './batches.js'

/** Index i has the weight i + 0.5, if it has one. */
async function* inPieces(sizes: readonly number[], hasWeights: boolean) {
  let next = 0
  for (const size of sizes) {
    const indices = Uint32Array.from({ length: size }, () => next++)
    yield { indices, weights: hasWeights ? Float32Array.from(indices, (index) => index + 0.5) : undefined }
  }
}

it('cuts pieces of any sizes into equal batches and a shorter last one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(40), { maxLength: 12 }),
      fc.integer({ min: 1, max: 50 }),
      fc.nat(1_000),
      fc.boolean(),
      async (sizes, batchSize, start, hasWeights) => {
        const total = sizes.reduce((sum, size) => sum + size, 0)
        const batches: Batch[] = []
        for await (const batch of cutBatches(inPieces(sizes, hasWeights), batchSize, start)) batches.push(batch)
        expect(batches.flatMap(({ indices }) => [...indices])).toEqual(Array.from({ length: total }, (_, i) => i))
        for (const { indices, weights } of batches) {
          expect(weights).toEqual(hasWeights ? Float32Array.from(indices, (index) => index + 0.5) : undefined)
        }
        expect(batches.map(({ startPosition }) => startPosition)).toEqual(batches.map((_, i) => start + i * batchSize))
        expect(batches.slice(0, -1).every(({ indices }) => indices.length === batchSize)).toBe(true)
        expect(batches.every(({ indices }) => indices.length > 0 && indices.length <= batchSize)).toBe(true)
      },
    ),
  )
})

it('hands out copies', async () => {
  const piece = { indices: Uint32Array.of(1, 2, 3, 4), weights: Float32Array.of(5, 6, 7, 8) }
  async function* once() {
    yield piece
  }
  for await (const { indices, weights } of cutBatches(once(), 2, 0)) {
    indices.fill(9)
    weights?.fill(9)
  }
  expect(piece).toEqual({ indices: Uint32Array.of(1, 2, 3, 4), weights: Float32Array.of(5, 6, 7, 8) })
})

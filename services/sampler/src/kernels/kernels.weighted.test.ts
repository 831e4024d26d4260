import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { purpose, type RandomKey, RandomStream } from '../core/random/random-stream.js'
import { drawWeighted } from '../core/selection/draw-weighted.js'
import { RunMemory } from './testing/run-memory.js'
import { shares, someSizes } from './testing/sizes.js'

const key: RandomKey = { seed: 0x9123456789abcdefn, epoch: 7, purpose: purpose.draw }
const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBufferLike>) =>
  Buffer.from(new Uint8Array(buffer, byteOffset, byteLength))

/** Draws by kernel and by core, and compares sets and weights byte for byte. */
function expectTheSame(sizes: Float32Array, count: number, share: number, draw: RandomKey): void {
  const run = new RunMemory(sizes.length)
  run.lossList().set(sizes)
  run.kernels.drawWeighted(run.bits, run.losses, count, share, draw)
  const core = drawWeighted(sizes, count, share, new RandomStream(draw.seed, draw.epoch, draw.purpose))
  expect(bytesOf(run.bitArray()).equals(bytesOf(core.keptSet.bits))).toBe(true)
  expect(bytesOf(run.lossList().subarray(0, count)).equals(bytesOf(core.weights))).toBe(true)
  expect(run.isIntact()).toBe(true)
}

describe('drawWeighted', () => {
  it('draws what core draws, with the same weights, for every count', () => {
    const keys = fc.record({
      seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      epoch: fc.nat(0xffffffff),
      purpose: fc.constantFrom(...Object.values(purpose)),
    })
    const anyShare = fc.oneof(shares, fc.double({ min: 0, max: 1, noNaN: true }))
    fc.assert(
      fc.property(someSizes, fc.nat(), anyShare, keys, (sizes, at, share, draw) => {
        for (const count of [0, at % (sizes.length + 1), sizes.length]) expectTheSame(sizes, count, share, draw)
      }),
      { numRuns: 1500 },
    )
  })

  it.each([
    ['of all sizes', (i: number) => 1 / (1 + ((i * 7919) % 100_003))],
    ['over all exponents', (i: number) => 2 ** (((i * 7919) % 277) - 149)],
    ['that are all equal', () => 2.5],
    ['that are all 0', () => 0],
    ['some of them without a loss', (i: number) => (i % 3 === 0 ? -1 : Math.sqrt(i))],
    ['most of them without a loss', (i: number) => (i % 3 === 0 ? i : -1)],
  ])('draws what core draws from 100,003 samples %s', (_, sizeAt) => {
    const sizes = Float32Array.from({ length: 100_003 }, (_, i) => sizeAt(i))
    for (const count of [1, 50_001, 90_000]) {
      for (const share of [0, 0.1]) expectTheSame(sizes, count, share, key)
    }
  })
})

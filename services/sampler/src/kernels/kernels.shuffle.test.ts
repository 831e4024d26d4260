import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { purpose, RandomStream } from '../core/random/random-stream.js'
import { SPLIT_ABOVE, shuffle } from '../core/random/shuffle.js'
import { isEqual } from './testing/is-equal.js'
import { RunMemory } from './testing/run-memory.js'

/** Shuffles the same list by kernel and by core. */
function shuffleBoth(length: number, seed: bigint, epoch: number, splitAbove?: number) {
  const run = new RunMemory(1, length)
  const byCore = Uint32Array.from({ length }, (_, i) => Math.imul(i, 0x9e3779b1))
  const byKernel = run.list('items')
  byKernel.set(byCore)
  run.kernels.shuffle(run.items, run.spare, length, { seed, epoch, purpose: purpose.order }, splitAbove)
  shuffle(byCore, new RandomStream(seed, epoch, purpose.order), splitAbove)
  return { run, isSame: isEqual(byKernel, byCore) }
}

describe('shuffle', () => {
  it('orders as core does, by swaps and by splits of splits', () => {
    const seeds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    const limits = fc.constantFrom(undefined, 1, 4, 100)
    fc.assert(
      fc.property(fc.nat(3000), seeds, fc.nat(0xffffffff), limits, (length, seed, epoch, splitAbove) => {
        const { run, isSame } = shuffleBoth(length, seed, epoch, splitAbove)
        expect(isSame).toBe(true)
        expect(run.isIntact()).toBe(true)
      }),
    )
  })

  it.each([SPLIT_ABOVE, SPLIT_ABOVE + 1, SPLIT_ABOVE + 2, SPLIT_ABOVE + 3, 1_500_000])(
    'orders %i items as core does, which rejects some numbers and splits what is longer than SPLIT_ABOVE',
    (length) => {
      const { run, isSame } = shuffleBoth(length, 11n, 3)
      expect(isSame).toBe(true)
      expect(run.isIntact()).toBe(true)
    },
  )
})

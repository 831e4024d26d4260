import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countUpTo } from './count-up-to.js'

/** Keys that differ in their high half, in their low half, in both, or not at all. */
const keys = fc.oneof(
  fc.constantFrom(0, 1, 0xffff, 0x10000, 0x10001, 0xffff0000, 0xffffffff),
  fc.integer({ min: 0, max: 0xffffffff }),
)

describe('countUpTo', () => {
  it('counts the keys that are not larger', () => {
    expect([...countUpTo(Uint32Array.of(0x20000, 5, 0xffffffff, 5, 0x10007))]).toEqual([4, 2, 5, 2, 3])
    expect([...countUpTo(new Uint32Array(0))]).toEqual([])
  })

  it('agrees with counting one by one', () => {
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 60 }), (some) => {
        const counted = some.map((key) => some.filter((other) => other <= key).length)
        expect([...countUpTo(Uint32Array.from(some))]).toEqual(counted)
      }),
    )
  })
})

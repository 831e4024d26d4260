import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UNSEEN_SIZE } from './draw-weighted.js'
import { powerSizes } from './power-sizes.js'

const MAX_F32 = 3.4028234663852886e38

describe('powerSizes', () => {
  it('raises values to the power, and marks samples without a loss', () => {
    const observations = Uint16Array.of(1, 0, 2, 65535)
    expect([...powerSizes({ observations }, 2, (i) => i)]).toEqual([0, UNSEEN_SIZE, 4, 9])
    expect([...powerSizes({ observations }, 0, (i) => i)]).toEqual([1, UNSEEN_SIZE, 1, 1])
    expect([...powerSizes({ observations }, 0.5, (i) => i)]).toEqual([
      0,
      UNSEEN_SIZE,
      ...[2, 3].map((x) => Math.fround(x ** 0.5)),
    ])
  })

  it('has sizes that drawWeighted takes, whatever the values: finite f32, none below 0, the same with power 1', () => {
    const values = fc.array(fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }), { maxLength: 20 })
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 16, noNaN: true }), (some, exponent) => {
        const observations = new Uint16Array(some.length).fill(1)
        for (const size of powerSizes({ observations }, exponent, (i) => some[i] as number)) {
          expect(size).toBeGreaterThanOrEqual(0)
          expect(size).toBeLessThanOrEqual(MAX_F32)
        }
        expect([...powerSizes({ observations }, 1, (i) => some[i] as number)]).toEqual(some)
      }),
    )
  })
})

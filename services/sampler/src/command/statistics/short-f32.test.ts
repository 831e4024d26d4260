import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shortF32 } from './short-f32.js'

const print = (value: number) => String(shortF32(Math.fround(value)))
const anyF32 = fc.float({ noNaN: true, noDefaultInfinity: true })

describe('shortF32', () => {
  it.each([
    [0, '0'],
    [0.1, '0.1'],
    [-2.5, '-2.5'],
    [0.302585, '0.302585'],
    [9.999999, '9.999999'],
    [1 / 3, '0.33333334'],
    [16_777_215, '16777215'],
    [123_456_789, '123456790'],
    [1.17549435e-38, '1.1754944e-38'],
    [1.401298464324817e-45, '1.401298e-45'],
    [3.4028234663852886e38, '3.4028235e+38'],
  ])('%d is printed as %s', (value, text) => expect(print(value)).toBe(text))

  it('reads back as the same f32, whatever the value', () => {
    fc.assert(
      fc.property(anyF32, (value) => {
        expect(Math.fround(Number(print(value)))).toBe(Object.is(value, -0) ? 0 : value)
      }),
      { numRuns: 2000 },
    )
  })

  it('prints at most nine digits', () => {
    fc.assert(
      fc.property(anyF32, (value) => {
        const digits = print(value)
          .replace(/e.*$/, '')
          .replace(/\D/g, '')
          .replace(/^0+|0+$/g, '')
        expect(digits.length).toBeLessThanOrEqual(9)
      }),
      { numRuns: 2000 },
    )
  })
})

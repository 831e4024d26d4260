import fc from 'fast-check'
import { UNSEEN_SIZE } from '../../core/selection/draw-weighted.js'

const MAX_F32 = 3.4028234663852886e38
const DENORMAL = 2 ** -149

const unseen = fc.constant(UNSEEN_SIZE)
const zero = fc.constantFrom(0, -0)
/** Many tie, and some differ in their last bit only. */
const few = fc.constantFrom(1, 1 + 2 ** -23, 2, 2 - 2 ** -23, 3)
const extreme = fc.constantFrom(DENORMAL, 2 * DENORMAL, 2 ** -126, 1, 2 ** 64, MAX_F32, MAX_F32 * (1 - 2 ** -24))
const usual = fc.float({ min: 0, max: 8, noNaN: true })
const any = fc.float({ min: 0, noNaN: true, noDefaultInfinity: true })
const power = fc.integer({ min: -149, max: 127 }).map((exponent) => 2 ** exponent)

/** Sizes as they can be: finite, none below 0, UNSEEN_SIZE for samples without a loss. */
export const someSizes: fc.Arbitrary<Float32Array> = fc
  .constantFrom(
    zero,
    few,
    extreme,
    usual,
    any,
    power,
    unseen,
    fc.oneof(zero, few),
    fc.oneof(zero, usual, any),
    fc.oneof(unseen, usual),
    fc.oneof(unseen, zero, extreme, any),
  )
  .chain((size) => fc.array(size, { minLength: 1, maxLength: 90, size: 'max' }))
  .map((sizes) => Float32Array.from(sizes))

/** Shares of the uniform that have at most 100 binary places. */
export const shares = fc.constantFrom(0, 2 ** -40, 0.1, 0.5, 1 - 2 ** -53, 1)

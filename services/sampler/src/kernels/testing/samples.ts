import fc from 'fast-check'
import type { StatisticsColumns } from '../../core/statistics/statistics-columns.js'

export const MAX_F32 = 3.4028234663852886e38
const DENORMAL = 2 ** -149

export interface Sample {
  readonly mean: number
  readonly variance: number
  readonly isSeen: boolean
}

const finite = { noNaN: true, noDefaultInfinity: true } as const
/** Few values, so that many tie; some differ in the low half of their key only. */
const fewMeans = fc.constantFrom(0, -0, DENORMAL, -DENORMAL, 1, 1 + 2 ** -23, -1, -1 - 2 ** -23, 2.5)
const anyMean = fc.oneof(fc.float(finite), fc.constantFrom(MAX_F32, -MAX_F32))
const anyVariance = fc.oneof(fc.float({ ...finite, min: 0 }), fc.constantFrom(0, DENORMAL, MAX_F32))

const unseen = fc.constant<Sample>({ mean: 0, variance: 0, isSeen: false })
const seen = (mean: fc.Arbitrary<number>, variance: fc.Arbitrary<number>) =>
  fc.record({ mean, variance, isSeen: fc.constant(true) })
const tied = seen(fewMeans, fc.constantFrom(0, 1))
const any = seen(anyMean, anyVariance)

/** Samples as statistics can be: finite, no variance below 0, all 0 while unseen. A weighted variance, and so a score, can be infinite. */
export const samples: fc.Arbitrary<Sample[]> = fc
  .constantFrom(tied, any, unseen, fc.oneof(tied, unseen), fc.oneof(tied, any, unseen))
  .chain((sample) => fc.array(sample, { minLength: 1, maxLength: 90, size: 'max' }))

/** Writes samples into columns. */
export function fillColumns(
  samples: readonly Sample[],
  { mean, variance, observations }: Pick<StatisticsColumns, 'mean' | 'variance' | 'observations'>,
): void {
  samples.forEach((sample, i) => {
    mean[i] = sample.mean
    variance[i] = sample.variance
    observations[i] = Number(sample.isSeen)
  })
}

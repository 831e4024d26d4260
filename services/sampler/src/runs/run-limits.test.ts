import { expect, it } from 'vitest'
import { columnLayout } from '../core/statistics/column-layout.js'
import { checkSampleCount } from './run-limits.js'
import { testLimits } from './testing/test-limits.js'

const sized = (sampleCount: number, columnCount: number) => ({ sampleCount, columnCount, hasWeights: false })
const limits = testLimits({ maxSamples: 0xffffffff })

it.each([
  [0, 263_000_000, 267_000_000, 263_737_000],
  [8, 88_000_000, 90_000_000, 88_942_000],
])('refuses with %d metrics what does not fit into one memory, and says what does', (metrics, fits, tooMany, most) => {
  checkSampleCount(sized(fits, metrics), limits)
  expect(() => checkSampleCount(sized(tooMany, metrics), limits)).toThrow(
    `spec.sample_count is ${tooMany}; with ${metrics} metrics, those that its policy keeps included, a run has at most ${most} samples, as all that is kept of them lies in one memory of 4 GiB`,
  )
  checkSampleCount(sized(most, metrics), limits)
  expect(columnLayout(most, metrics).bytes).toBeLessThanOrEqual(2 ** 32)
})

it('names the limit of the sampler where that is the lower one', () => {
  expect(() => checkSampleCount(sized(11, 0), testLimits({ maxSamples: 10 }))).toThrow(
    'at most 10 samples a run (--max-samples)',
  )
})

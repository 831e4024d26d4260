import { describe, expect, it } from 'vitest'
import { chunkOf, samples } from '../testing/sample-statistics.js'
import { classify, sampleRows } from './sample-row.js'

describe('classify', () => {
  it.each([
    [0, 0, undefined],
    [0, 1, 'never'],
    [1, 1, 'always'],
    [1, 2, 'sometimes'],
    [2, 2, 'always'],
    [65_534, 65_535, 'sometimes'],
    [65_535, 65_535, 'always'],
    // The count of a sample stays there, however many selections follow.
    [65_535, 70_000, 'always'],
  ])('kept %d times of %d selections: %s', (timesKept, selections, kept) => {
    expect(classify(timesKept, selections)).toBe(kept)
  })
})

describe('sampleRows', () => {
  it('counts indices from the start of the chunk, and knows no loss of a sample that was never reported', () => {
    expect([...sampleRows(chunkOf(samples, 50_000), 6)]).toEqual([
      {
        index: 50_000,
        mean: 0.1,
        variance: 0.25,
        last_loss: 0.33333334,
        times_reported: 3,
        times_kept: 6,
        kept: 'always',
      },
      {
        index: 50_001,
        mean: null,
        variance: null,
        last_loss: null,
        times_reported: 0,
        times_kept: 0,
        kept: 'never',
      },
      {
        index: 50_002,
        mean: 2,
        variance: 1e-7,
        last_loss: 12.5,
        times_reported: 1,
        times_kept: 1,
        kept: 'sometimes',
      },
    ])
  })
})

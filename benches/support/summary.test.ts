import { expect, it } from 'vitest'
import { median, showSpread } from './summary.js'

it.each([
  [[3], 3],
  [[1, 3], 2],
  [[5, 1, 3], 3],
  [[4, 1, 3, 9], 3.5],
])('median of %j', (values, expected) => {
  expect(median(values)).toBe(expected)
})

it('shows the median with the least and the most', () => {
  expect(showSpread([1, 4])).toBe('2.50 (1.00 to 4.00)')
})

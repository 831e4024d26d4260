import { describe, expect, it } from 'vitest'
import { learningRateAt } from './learning-rate.js'

describe('learningRateAt', () => {
  it('starts at a tenth of the peak, is at the peak after a fifth, at half of it in the middle of the descent, and ends at 0', () => {
    expect(learningRateAt(0, 0.4)).toBeCloseTo(0.04, 12)
    expect(learningRateAt(0.1, 0.4)).toBeCloseTo(0.22, 12)
    expect(learningRateAt(0.2, 0.4)).toBeCloseTo(0.4, 12)
    expect(learningRateAt(0.6, 0.4)).toBeCloseTo(0.2, 12)
    expect(learningRateAt(1, 0.4)).toBeCloseTo(0, 12)
  })

  it('rises, then falls, without a jump', () => {
    const steps = 1_000
    const rates = Array.from({ length: steps + 1 }, (_, i) => learningRateAt(i / steps, 1))
    const peak = rates.indexOf(Math.max(...rates))
    expect(peak).toBe(steps / 5)
    for (let i = 1; i <= steps; i++) {
      const change = (rates[i] ?? 0) - (rates[i - 1] ?? 0)
      expect(Math.sign(change)).toBe(i <= peak ? 1 : -1)
      expect(Math.abs(change)).toBeLessThan(0.006)
    }
  })
})

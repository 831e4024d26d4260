import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkStatistics, SampleStatistics } from './sample-statistics.js'

const observeAll = (losses: number[], settings = { alpha: 0.8, initial: 'first_loss' as 'first_loss' | 'zero' }) => {
  const statistics = new SampleStatistics(1, settings)
  for (const loss of losses) statistics.observe(0, loss)
  return { mean: statistics.mean[0], variance: statistics.variance[0], observations: statistics.observations[0] }
}

describe('SampleStatistics', () => {
  it('starts from the first loss with variance 0', () => {
    expect(observeAll([2])).toEqual({ mean: 2, variance: 0, observations: 1 })
  })

  it('moves the variance with the old mean, then the mean', () => {
    // alpha 0.5: variance 0.5 * 0 + 0.5 * (4 - 2)^2 = 2, mean 0.5 * 2 + 0.5 * 4 = 3
    expect(observeAll([2, 4], { alpha: 0.5, initial: 'first_loss' })).toEqual({ mean: 3, variance: 2, observations: 2 })
  })

  it('applies the rule to the first loss too with initial zero', () => {
    expect(observeAll([2], { alpha: 0.5, initial: 'zero' })).toEqual({ mean: 1, variance: 2, observations: 1 })
  })

  it('rounds every step to f32', () => {
    const f = Math.fround
    const alpha = f(0.8)
    const beta = f(1 - alpha)
    const [first, second] = [f(0.1), f(0.7)]
    const d = f(second - first)
    expect(observeAll([0.1, 0.7])).toEqual({
      mean: f(f(beta * first) + f(alpha * second)),
      variance: f(alpha * f(d * d)),
      observations: 2,
    })
  })

  it('never turns a finite loss into a statistic that is not finite', () => {
    const loss = fc.float({ noNaN: true, noDefaultInfinity: true })
    const alpha = fc.float({ min: Math.fround(1e-6), max: 1, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(loss, { maxLength: 30 }),
        alpha,
        fc.constantFrom('first_loss', 'zero'),
        (losses, a, initial) => {
          const { mean, variance } = observeAll(losses, { alpha: a, initial })
          expect(Number.isFinite(mean)).toBe(true)
          expect(Number.isFinite(variance)).toBe(true)
        },
      ),
      { numRuns: 2000, examples: [[[3.4e38, -3.4e38, 3.4e38], Math.fround(0.8), 'first_loss']] },
    )
  })

  it('counts observations up to 65,535 and stays there', () => {
    expect(observeAll(new Array(65_540).fill(1)).observations).toBe(65_535)
  })
})

it('keeps the last value of each metric, and NaN until there is one', () => {
  const statistics = new SampleStatistics(3, { alpha: 0.8, initial: 'first_loss' }, 2)
  statistics.observeMetric(1, 0, 0.1)
  statistics.observeMetric(1, 0, 0.25)
  statistics.observeMetric(2, 1, -3)
  expect(statistics.metrics.map((column) => [...column])).toEqual([
    [Number.NaN, 0.25, Number.NaN],
    [Number.NaN, Number.NaN, -3],
  ])
  expect([...statistics.observations]).toEqual([0, 0, 0])
})

describe('checkStatistics', () => {
  it.each([0, -1, 1.1, 1e-60, Number.NaN, Number.POSITIVE_INFINITY])('refuses alpha %d', (alpha) => {
    expect(checkStatistics({ alpha, initial: 'zero' })[0]?.description).toContain(String(alpha))
  })

  it.each([1, 0.8, 1e-30])('takes alpha %d', (alpha) => {
    expect(checkStatistics({ alpha, initial: 'zero' })).toEqual([])
  })
})

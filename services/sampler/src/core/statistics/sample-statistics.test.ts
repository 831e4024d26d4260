import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OwnColumns } from './own-columns.js'
import { checkStatistics, defaultStatistics, IN_MEMORY_FROM, SampleStatistics } from './sample-statistics.js'

const at = (epoch: number) => ({ epoch, isTrained: (index: number) => index !== 1 })

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
  const statistics = new SampleStatistics(3, { alpha: 0.8, initial: 'first_loss' }, { metrics: ['a', 'b'] })
  statistics.observeMetric(1, 0, 0.1)
  statistics.observeMetric(1, 0, 0.25)
  statistics.observeMetric(2, 1, -3)
  expect(statistics.metrics.map((column) => [...column])).toEqual([
    [Number.NaN, 0.25, Number.NaN],
    [Number.NaN, Number.NaN, -3],
  ])
  expect([...statistics.observations]).toEqual([0, 0, 0])
})

describe('with what the policy keeps for itself', () => {
  const own: OwnColumns = {
    names: ['report', 'before'],
    ofReport: (_, { losses }) => losses.reduce((sum, loss) => sum + loss, 0),
    observe([reports, before], { index, ofReport, previousLoss, metric, isTrained }) {
      if (!reports || !before) return
      reports[index] = isTrained ? ofReport : -ofReport
      before[index] = 10 * previousLoss + (Number.isNaN(metric('a')) ? 0.5 : metric('a'))
    },
  }

  it.each([3, IN_MEMORY_FROM])('tells it of losses that are taken in alone, %d samples', (sampleCount) => {
    const statistics = new SampleStatistics(sampleCount, defaultStatistics, { metrics: ['a'], own })
    const losses = Float32Array.of(1, Number.NaN, 4, 2)
    const metrics = [{ metric: 0, values: Float32Array.of(7, 8, 9, Number.NaN) }]
    statistics.observeReport(Uint32Array.of(0, 1, 0, 2), losses, metrics, at(3))
    const [a, reports, before] = statistics.metrics.map((column) => [...column.subarray(0, 3)])
    // The loss that is not finite and the second one of sample 0 are not taken in; the metric of the former is.
    expect(a).toEqual([7, 8, Number.NaN])
    expect(reports).toEqual([3, Number.NaN, 3])
    expect(before).toEqual([7, Number.NaN, 0.5])
    statistics.beginEpoch()
    statistics.observeReport(Uint32Array.of(0, 1), Float32Array.of(5, 6), [], at(4))
    expect([...(statistics.metrics[1] ?? [])].slice(0, 3)).toEqual([11, -11, 3])
    expect([...(statistics.metrics[2] ?? [])].slice(0, 3)).toEqual([10.5, 0.5, 0.5])
  })

  it('keeps no infinity', () => {
    const large: OwnColumns = {
      names: ['x'],
      observe([x], { index, loss }) {
        if (x) x[index] = loss * 3e38
      },
    }
    const statistics = new SampleStatistics(3, defaultStatistics, { metrics: [], own: large })
    statistics.observeReport(Uint32Array.of(0, 1, 2), Float32Array.of(2, -2, 0), [], at(0))
    expect(statistics.metrics[0]).toEqual(Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 0))
  })

  it('tells it of the losses that its samples are taken to have', () => {
    const seen: number[] = []
    const watching: OwnColumns = {
      names: ['x'],
      ofReport: (_, { losses }) => seen.push(...losses),
      observe: (_, { loss }) => void seen.push(loss),
    }
    const rules = { metrics: [], own: watching, batchLossMomentum: 0.5 }
    const statistics = new SampleStatistics(3, defaultStatistics, rules)
    statistics.observeReport(Uint32Array.of(0), Float32Array.of(1), [], at(0))
    statistics.beginEpoch()
    statistics.observeReport(Uint32Array.of(0), Float32Array.of(3), [], at(1))
    expect(seen).toEqual([1, 1, 2, 2])
  })

  it('leaves a capture as it was', () => {
    const statistics = new SampleStatistics(3, defaultStatistics, { metrics: ['a'], own })
    const capture = statistics.capture()
    statistics.observeReport(Uint32Array.of(1), Float32Array.of(5), [], at(0))
    expect(capture.read(3).metrics.map((column) => [...column])).toEqual(
      new Array(3).fill(new Array(3).fill(Number.NaN)),
    )
    capture.release()
  })
})

it.each([3, IN_MEMORY_FROM])('takes a sample to have a mix of the losses of its batches, %d samples', (sampleCount) => {
  const rules = { metrics: [], batchLossMomentum: 0.7 }
  const statistics = new SampleStatistics(sampleCount, { alpha: 0.5, initial: 'first_loss' }, rules)
  const f = Math.fround
  const mix = (old: number, loss: number) => f(f(f(0.7) * old) + f(f(1 - f(0.7)) * loss))
  const mixed = [1, mix(1, 3), mix(mix(1, 3), 2)]
  for (const [epoch, loss] of [1, 3, 2].entries()) {
    statistics.beginEpoch()
    statistics.observeReport(Uint32Array.of(2), Float32Array.of(loss), [], at(epoch))
    expect(statistics.lastLoss[2]).toBe(mixed[epoch])
  }
  const plain = new SampleStatistics(1, { alpha: 0.5, initial: 'first_loss' })
  for (const loss of mixed) plain.observe(0, loss)
  expect([statistics.mean[2], statistics.variance[2]]).toEqual([plain.mean[0], plain.variance[0]])
})

describe('checkStatistics', () => {
  it.each([0, -1, 1.1, 1e-60, Number.NaN, Number.POSITIVE_INFINITY])('refuses alpha %d', (alpha) => {
    expect(checkStatistics({ alpha, initial: 'zero' })[0]?.description).toContain(String(alpha))
  })

  it.each([1, 0.8, 1e-30])('takes alpha %d', (alpha) => {
    expect(checkStatistics({ alpha, initial: 'zero' })).toEqual([])
  })
})

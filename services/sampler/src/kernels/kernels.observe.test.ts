import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SampleStatistics, type StatisticsSettings } from '../core/statistics/sample-statistics.js'
import { RunMemory } from './testing/run-memory.js'
import { MAX_F32 } from './testing/samples.js'

interface Loss {
  readonly index: number
  readonly loss: number
}

/** What `Run` does with a report, by core. */
function observeByCore(statistics: SampleStatistics, observed: Set<number>, report: readonly Loss[]) {
  const counts = { observations: 0, nonFinite: 0, repeats: 0, scored: 0 }
  for (const { index, loss } of report) {
    if (!Number.isFinite(loss)) counts.nonFinite++
    else if (observed.has(index)) counts.repeats++
    else {
      observed.add(index)
      statistics.observe(index, loss)
      counts.observations++
    }
  }
  return counts
}

function observeByKernel(run: RunMemory, report: readonly Loss[], settings: StatisticsSettings) {
  report.forEach(({ index, loss }, i) => {
    run.list('items')[i] = index
    run.lossList()[i] = loss
  })
  return run.kernels.observe(run.bits, { indices: run.items, losses: run.losses, count: report.length }, settings)
}

/** The bits of a column: only they tell -0 from 0. */
const bitsOf = (column: Float32Array | Uint16Array) => Buffer.from(column.slice().buffer).toString('hex')

function expectEqualColumns(run: RunMemory, statistics: SampleStatistics): void {
  for (const [name, column] of Object.entries(run.arrays())) {
    expect(bitsOf(column), name).toBe(bitsOf(statistics[name as 'mean']))
  }
  expect(run.isIntact()).toBe(true)
}

const SAMPLES = 21
const losses = fc.oneof(
  fc.float(),
  fc.constantFrom(0, -0, 2 ** -149, 1, 1.1, MAX_F32, -MAX_F32, Number.NaN, Number.POSITIVE_INFINITY),
)
const report = fc.array(fc.record({ index: fc.nat(SAMPLES - 1), loss: losses }), { maxLength: 40, size: 'max' })
const settings: fc.Arbitrary<StatisticsSettings> = fc.record({
  alpha: fc.oneof(fc.constantFrom(0.8, 1, 2 ** -149), fc.double({ min: 1e-40, max: 1, noNaN: true })),
  initial: fc.constantFrom('first_loss', 'zero'),
})

describe('observe', () => {
  it('changes the statistics as SampleStatistics does, over epochs of several reports', () => {
    fc.assert(
      fc.property(fc.array(fc.array(report, { maxLength: 3 }), { maxLength: 4 }), settings, (epochs, choice) => {
        const [run, statistics] = [new RunMemory(SAMPLES, 40), new SampleStatistics(SAMPLES, choice)]
        for (const reports of epochs) {
          const observed = new Set<number>()
          run.bitArray().fill(0)
          for (const each of reports) {
            expect(observeByKernel(run, each, choice)).toEqual(observeByCore(statistics, observed, each))
          }
          expect(run.taken()).toEqual([...observed].sort((a, b) => a - b))
        }
        expectEqualColumns(run, statistics)
      }),
      { numRuns: 400 },
    )
  })

  it('keeps the variance finite, and the number of observations at 65,535', () => {
    const choice = { alpha: 0.8, initial: 'first_loss' } as const
    const [run, statistics] = [new RunMemory(1, 1), new SampleStatistics(1, choice)]
    run.arrays().observations.fill(65_534)
    statistics.observations.fill(65_534)
    for (const loss of [MAX_F32, -MAX_F32, MAX_F32]) {
      run.bitArray().fill(0)
      observeByKernel(run, [{ index: 0, loss }], choice)
      statistics.observe(0, loss)
      expectEqualColumns(run, statistics)
    }
    expect(run.arrays().variance[0]).toBe(MAX_F32)
    expect(run.arrays().observations[0]).toBe(65_535)
  })
})

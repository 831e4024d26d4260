import fc from 'fast-check'
import { afterEach, expect, it } from 'vitest'
import { KeptSet } from '../core/selection/kept-set.js'
import { IN_MEMORY_FROM, SampleStatistics, type StatisticsSettings } from '../core/statistics/sample-statistics.js'
import { statisticsKernel } from './statistics-kernel.js'

afterEach(() => {
  SampleStatistics.kernelFor = undefined
})

/** The same statistics twice: with the kernel and without. */
function twins(settings: StatisticsSettings): [SampleStatistics, SampleStatistics] {
  SampleStatistics.kernelFor = statisticsKernel
  const byKernel = new SampleStatistics(IN_MEMORY_FROM, settings)
  SampleStatistics.kernelFor = undefined
  return [byKernel, new SampleStatistics(IN_MEMORY_FROM, settings)]
}

const COLUMNS = ['mean', 'variance', 'lastLoss', 'observations', 'observed'] as const
const isEqual = (a: SampleStatistics, b: SampleStatistics) =>
  COLUMNS.every((name) =>
    Buffer.from(new Uint8Array(a[name].buffer, a[name].byteOffset, a[name].byteLength)).equals(
      new Uint8Array(b[name].buffer, b[name].byteOffset, b[name].byteLength),
    ),
  ) && a.observedCount === b.observedCount

const loss = fc.oneof(fc.float(), fc.constantFrom(0, -0, 2 ** -149, Number.NaN, Number.POSITIVE_INFINITY, -3.4e38))
/** Few samples, so that there are repeats, at both ends of the columns. */
const index = fc.oneof(fc.nat(20), fc.integer({ min: IN_MEMORY_FROM - 9, max: IN_MEMORY_FROM - 1 }))
const report = fc.array(fc.tuple(index, loss), { maxLength: 60, size: 'max' })

it('takes in reports as SampleStatistics does, epoch for epoch, also while a capture is read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(report, { maxLength: 3 }), { maxLength: 4 }),
      fc.constantFrom('first_loss' as const, 'zero' as const),
      fc.boolean(),
      (epochs, initial, isCaptured) => {
        const both = twins({ alpha: 0.8, initial })
        const captures = isCaptured ? both.map((statistics) => statistics.capture()) : []
        for (const reports of epochs) {
          for (const statistics of both) statistics.beginEpoch()
          for (const each of reports) {
            const indices = Uint32Array.from(each, ([i]) => i)
            const losses = Float32Array.from(each, ([, l]) => l)
            const [a, b] = both.map((statistics) => statistics.observeReport(indices, losses))
            expect(a).toEqual(b)
          }
          expect(isEqual(...both)).toBe(true)
        }
        const [a, b] = captures.map((capture) => capture.read(IN_MEMORY_FROM))
        for (const name of ['mean', 'variance', 'lastLoss', 'observations', 'timesKept'] as const) {
          // By their bytes: to compare so many numbers one by one takes a hundred times as long.
          const [bytes, same] = [a, b].map((columns) => columns && Buffer.from(columns[name].buffer))
          expect(bytes && same?.equals(bytes)).not.toBe(false)
        }
        if (a) expect(a.observations.every((count) => count === 0)).toBe(true)
      },
    ),
    { numRuns: 60 },
  )
})

it('counts what selections kept as SampleStatistics does, also while a capture is read', () => {
  const both = twins({ alpha: 0.5, initial: 'first_loss' })
  const everyThird = KeptSet.of(
    Array.from({ length: IN_MEMORY_FROM / 3 }, (_, i) => 3 * i),
    IN_MEMORY_FROM,
  )
  const few = KeptSet.of([0, 8, 33], 40) // fewer bits than there are samples
  for (const statistics of both) {
    statistics.timesKept[33] = 65_534
    statistics.resumeSelections(65_534)
  }
  const captures = both.map((statistics) => {
    statistics.countKept(few)
    const capture = statistics.capture()
    capture.read(9)
    statistics.countKept(everyThird)
    statistics.countKept(few)
    return capture
  })
  const [a, b] = both.map(({ timesKept }) => [...timesKept])
  expect(a).toEqual(b)
  expect([a?.[0], a?.[3], a?.[8], a?.[33]]).toEqual([3, 1, 2, 65_535])
  const [before, same] = captures.map((capture) => [...capture.read(IN_MEMORY_FROM).timesKept])
  expect(before).toEqual(same)
  expect([before?.[0], before?.[33 - 9]]).toEqual([0, 65_535])
})

it('takes in more losses at once than there is room for', () => {
  const both = twins({ alpha: 0.5, initial: 'first_loss' })
  const indices = Uint32Array.from({ length: 10_001 }, (_, i) => (i * 13) % IN_MEMORY_FROM)
  const losses = Float32Array.from(indices, (i) => (i % 100 === 0 ? Number.NaN : i / 7))
  const [a, b] = both.map((statistics) => statistics.observeReport(indices, losses))
  expect(a).toEqual(b)
  expect(a?.observations).toBeGreaterThan(9_000)
  expect(isEqual(...both)).toBe(true)
})

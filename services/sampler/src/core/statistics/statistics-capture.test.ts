import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeptSet } from '../selection/kept-set.js'
import { defaultStatistics, SampleStatistics } from './sample-statistics.js'
import type { StatisticsCapture } from './statistics-capture.js'
import type { StatisticsColumns } from './statistics-columns.js'

const plain = ({ mean, variance, lastLoss, observations, timesKept, metrics }: StatisticsColumns) => ({
  mean: [...mean],
  variance: [...variance],
  lastLoss: [...lastLoss],
  observations: [...observations],
  timesKept: [...timesKept],
  first: [...(metrics[0] as Float32Array)],
  second: [...(metrics[1] as Float32Array)],
})

function concatenate(parts: readonly ReturnType<typeof plain>[]) {
  const names = Object.keys(parts[0] as object) as (keyof ReturnType<typeof plain>)[]
  return Object.fromEntries(names.map((name) => [name, parts.flatMap((part) => part[name])]))
}

const SAMPLES = 3000
const index = fc.nat(SAMPLES - 1)
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('observe' as const), index, loss: fc.float({ noNaN: true, noDefaultInfinity: true }) }),
    fc.record({ do: fc.constant('metric' as const), index, metric: fc.nat(1), value: fc.float({ noNaN: true }) }),
    fc.record({ do: fc.constant('keep' as const), indices: fc.uniqueArray(index, { maxLength: 40 }) }),
    fc.record({ do: fc.constant('capture' as const) }),
    fc.record({ do: fc.constant('read' as const), which: fc.nat(3), count: fc.integer({ min: 1, max: 1500 }) }),
    fc.record({ do: fc.constant('release' as const), which: fc.nat(3) }),
  ),
  { maxLength: 60, size: 'max' },
)

describe('StatisticsCapture', () => {
  it('reads what was there when it was made, whatever changes meanwhile', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const statistics = new SampleStatistics(SAMPLES, defaultStatistics, { metrics: ['a', 'b'] })
        const open: { capture: StatisticsCapture; expected: object; parts: ReturnType<typeof plain>[] }[] = []
        for (const step of sequence) {
          const chosen = 'which' in step ? open[step.which % Math.max(1, open.length)] : undefined
          if (step.do === 'observe') statistics.observe(step.index, step.loss)
          else if (step.do === 'metric') statistics.observeMetric(step.index, step.metric, step.value)
          else if (step.do === 'keep') statistics.countKept(KeptSet.of(step.indices, SAMPLES))
          else if (step.do === 'capture') {
            open.push({ capture: statistics.capture(), expected: plain(statistics), parts: [] })
          } else if (chosen && step.do === 'read') chosen.parts.push(plain(chosen.capture.read(step.count)))
          else if (chosen) {
            chosen.capture.release()
            open.splice(open.indexOf(chosen), 1)
          }
        }
        for (const { capture, expected, parts } of open) {
          parts.push(plain(capture.read(SAMPLES)))
          expect(concatenate(parts)).toEqual(expected)
          expect(capture.read(1).mean.length).toBe(0)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('has the counts from before selections, also where they are at their most', () => {
    const [everyone, some] = [
      KeptSet.of(
        Array.from({ length: SAMPLES }, (_, i) => i),
        SAMPLES,
      ),
      KeptSet.of([1], SAMPLES),
    ]
    for (const most of [0, 0xfffe, 0xffff]) {
      const statistics = new SampleStatistics(SAMPLES, defaultStatistics)
      statistics.timesKept.fill(most)
      statistics.timesKept[7] = 3
      statistics.resumeSelections(most)
      const expected = [...statistics.timesKept]
      const [capture, other] = [statistics.capture(), statistics.capture()]
      const early = [...other.read(1001).timesKept]
      statistics.countKept(everyone)
      expect([...capture.read(1500).timesKept]).toEqual(expected.slice(0, 1500))
      statistics.countKept(some)
      statistics.countKept(everyone)
      expect([...capture.read(SAMPLES).timesKept]).toEqual(expected.slice(1500))
      expect([...early, ...other.read(SAMPLES).timesKept]).toEqual(expected)
    }
  })

  it('copies nothing any more once it is released', () => {
    const statistics = new SampleStatistics(SAMPLES, defaultStatistics)
    const capture = statistics.capture()
    statistics.observe(5, 1)
    capture.release()
    statistics.observe(6, 2)
    expect(capture.read(10).mean[5]).toBe(1)
    expect(capture.read(10).mean.length).toBe(10)
  })
})

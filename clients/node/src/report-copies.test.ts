import { expect, it } from 'vitest'
import { unpackF32, unpackU32 } from './packed.js'
import { ReportCopies } from './report-copies.js'

const origin = { runId: 'r', epoch: 3, rank: 2, generation: 1 }

/** A batch of `count` samples whose values all tell which one it is. */
function batch(nth: number, count: number) {
  return {
    indices: new Uint32Array(count).fill(nth),
    losses: Array.from({ length: count }, () => nth + 0.5),
    metrics: [{ name: 'correct', values: new Float64Array(count).fill(-nth) }],
  }
}

it('keeps many reports of any size apart, each the same as often as it is sent', () => {
  const copies = new ReportCopies()
  const counts = [1, 3, 5_000, 100_000, 2, 5_400, 1]
  const reports = counts.map((count, nth) => copies.copy(origin, nth + 1, batch(nth, count)))
  for (const _ of ['sent', 'sent again']) {
    for (const [nth, report] of reports.entries()) {
      const { sampleIndices, losses, metrics, ...facts } = report.toWire()
      expect(facts).toEqual({ ...origin, sequence: nth + 1 })
      const expected = batch(nth, counts[nth] as number)
      expect(unpackU32(sampleIndices)).toEqual(expected.indices)
      expect(unpackF32(losses)).toEqual(Float32Array.from(expected.losses))
      expect(metrics.map(({ name, values }) => [name, unpackF32(values)])).toEqual([
        ['correct', Float32Array.from(expected.metrics[0]?.values ?? [])],
      ])
      expect(report).toMatchObject({ epoch: 3, rank: 2, sequence: nth + 1 })
    }
  }
})

it('keeps one loss for a whole batch apart from what follows', () => {
  const copies = new ReportCopies()
  const reports = [1, 2].map((nth) => copies.copy(origin, nth, { ...batch(nth, 3), losses: [nth + 0.25] }))
  for (const [nth, report] of [...reports.entries(), ...reports.entries()]) {
    const { sampleIndices, losses, metrics } = report.toWire()
    expect(unpackU32(sampleIndices)).toEqual(new Uint32Array(3).fill(nth + 1))
    expect(unpackF32(losses)).toEqual(Float32Array.of(nth + 1.25))
    expect(metrics.map(({ values }) => unpackF32(values))).toEqual([new Float32Array(3).fill(-nth - 1)])
  }
})

it('keeps nothing of a batch that cannot be copied', () => {
  const copies = new ReportCopies()
  const wrong = { indices: Uint32Array.of(7), losses: [1n] as unknown as number[], metrics: [] }
  expect(() => copies.copy(origin, 1, wrong)).toThrow(TypeError)
  const { sampleIndices } = copies.copy(origin, 1, batch(4, 1)).toWire()
  expect([...unpackU32(sampleIndices)]).toEqual([4])
})

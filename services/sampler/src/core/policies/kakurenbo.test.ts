import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  countIsOwn,
  learningRateFactor,
  neededMetrics,
  ownColumns,
  type PolicyChoice,
  pruneRateProblem,
  resolvePolicy,
  runDefaults,
} from './registry.js'
import { ObservedSamples } from './testing/observed-samples.js'

const kakurenbo = { name: 'kakurenbo', confidence: 0.7 } satisfies PolicyChoice

interface Sample {
  readonly loss: number
  /** Default 1. */
  readonly correct?: number
  /** Default 1. */
  readonly confidence?: number
}

/** Samples that were reported once; those with the loss NaN have only their metrics. */
function samplesOf(some: readonly Sample[], policy: PolicyChoice = kakurenbo): ObservedSamples {
  return new ObservedSamples(policy, some.length).report(
    0,
    [...some.keys()],
    some.map(({ loss }) => loss),
    {
      correct: some.map(({ correct = 1 }) => correct),
      confidence: some.map(({ confidence = 1 }) => confidence),
    },
  )
}

/** Losses 0 to n - 1, all right and sure. */
const learnt = (n: number): Sample[] => Array.from({ length: n }, (_, loss) => ({ loss }))

describe('kakurenbo', () => {
  it('leaves out the lowest losses', () => {
    expect(samplesOf(learnt(10)).kept({ pruneRate: 0.4 })).toEqual([4, 5, 6, 7, 8, 9])
    expect(samplesOf(learnt(10)).kept({ pruneRate: 0 })).toHaveLength(10)
  })

  it('moves back what was mispredicted, unsure, or lacks a metric', () => {
    const some: Sample[] = [
      { loss: 0 },
      { loss: 1, correct: 0 },
      { loss: 2, confidence: 0.69 },
      { loss: 3, correct: Number.NaN },
      { loss: 4, confidence: Number.NaN },
      { loss: 5, confidence: 0.71 },
      { loss: 6 },
    ]
    expect(samplesOf(some).kept({ pruneRate: 6 / 7 })).toEqual([1, 2, 3, 4, 6])
  })

  it('takes the confidence of the setting, as an f32, for sure', () => {
    for (const confidence of [0.7, 0.3, 0.1]) {
      const some = [{ loss: 0, confidence }, { loss: 1 }]
      expect(samplesOf(some, { ...kakurenbo, confidence }).kept({ pruneRate: 0.5 })).toEqual([1])
    }
  })

  it('keeps samples without a loss, whatever their metrics', () => {
    const unseen = { loss: Number.NaN }
    expect(samplesOf([unseen, { loss: 1 }, unseen, { loss: 2 }]).kept({ pruneRate: 0.75 })).toEqual([0, 2])
    expect(samplesOf([unseen, unseen, unseen, { loss: 2 }]).kept({ pruneRate: 0.75 })).toEqual([0, 1, 2])
  })

  it('takes its candidates among ties at random, all equally often (chi-squared)', () => {
    const samples = samplesOf([...new Array(20).fill({ loss: 1 }), { loss: 2 }, { loss: 2 }])
    const counts = new Array(22).fill(0)
    for (let seed = 0; seed < 2000; seed++) {
      for (const index of samples.kept({ seed, pruneRate: 5 / 22 })) counts[index]++
    }
    expect(counts.splice(20)).toEqual([2000, 2000])
    // Of a draw without replacement: 15 of 20 are kept.
    const chiSquared = counts.reduce((sum, count) => sum + (count - 1500) ** 2 / 1500, 0)
    expect((chiSquared * 19) / 5).toBeLessThan(43.82) // 99.9 %, 19 degrees of freedom
  })

  it('keeps all but the sure ones of the lowest losses (by a full sort)', () => {
    const sample = fc.record({
      loss: fc.float({ min: 0, max: 9, noNaN: true }),
      correct: fc.constantFrom(0, 1),
      confidence: fc.float({ min: 0, max: 1, noNaN: true }),
    })
    const distinct = fc.uniqueArray(sample, { selector: ({ loss }) => loss + 0, minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(distinct, fc.nat(), (some, nth) => {
        const candidateCount = nth % some.length
        const byLoss = [...some.keys()].sort((a, b) => (some[a] as Sample).loss - (some[b] as Sample).loss)
        const isLeftOut = (i: number) => some[i]?.correct === 1 && (some[i]?.confidence ?? 0) >= Math.fround(0.7)
        const leftOut = byLoss.slice(0, candidateCount).filter(isLeftOut)
        const expected = [...some.keys()].filter((i) => !leftOut.includes(i))
        expect(samplesOf(some).kept({ pruneRate: candidateCount / some.length })).toEqual(expected)
      }),
    )
  })

  it('has fewer candidates from 0.3, 0.6 and 0.8 of the training on', () => {
    const samples = samplesOf(learnt(10))
    const leftOutAt = (epoch: number, totalEpochs?: number) =>
      10 - samples.kept({ epoch, ...(totalEpochs === undefined ? {} : { totalEpochs }), pruneRate: 0.5 }).length
    const counts = (totalEpochs: number, epochs: readonly number[]) => epochs.map((at) => leftOutAt(at, totalEpochs))
    expect(counts(10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual([5, 5, 5, 4, 4, 4, 3, 3, 2, 2])
    expect(counts(25, [7, 8, 14, 15, 19, 20])).toEqual([5, 4, 4, 3, 3, 2])
    expect([0, 9, 1000].map((epoch) => leftOutAt(epoch))).toEqual([5, 5, 5])
  })

  it('has the learning rate raised by 1 / (1 - F), where others leave it', () => {
    const at = (epoch: number, totalEpochs?: number) => learningRateFactor(kakurenbo, 0.5, epoch, totalEpochs)
    expect([at(2, 10), at(3, 10), at(6, 10), at(8, 10)]).toEqual([2, 1 / 0.6, 1 / 0.7, 1 / 0.8])
    expect(at(8)).toBe(2)
    expect(learningRateFactor(kakurenbo, 0, 3, 10)).toBe(1)
    expect(learningRateFactor({ name: 'random' }, 0.5, 3, 10)).toBe(1)
  })

  it('decides how many it keeps; by default selects every epoch, and has what is left out scored', () => {
    expect(countIsOwn(kakurenbo, 0.3)).toBe(true)
    expect(pruneRateProblem(kakurenbo, 0.3)).toBeUndefined()
    expect(neededMetrics(kakurenbo)).toEqual(['correct', 'confidence'])
    expect(ownColumns(kakurenbo)).toBeUndefined()
    expect(runDefaults(kakurenbo, 100)).toEqual({ selectionPeriod: 1, scoreLeftOut: true })
  })

  it('has a default, and refuses a confidence outside 0 to 1', () => {
    expect(resolvePolicy('kakurenbo', {})).toEqual({ choice: kakurenbo, violations: [] })
    for (const confidence of [-0.1, 1.1, Number.NaN]) {
      expect(resolvePolicy('kakurenbo', { confidence }).violations.map(({ field }) => field)).toEqual(['confidence'])
    }
  })
})

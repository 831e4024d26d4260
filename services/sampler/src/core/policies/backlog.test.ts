import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_F32 } from '../max-f32.js'
import { countIsOwn, type PolicyChoice, pruneRateProblem, resolvePolicy, runDefaults } from './registry.js'
import { inBothOrders } from './testing/in-both-orders.js'
import { ObservedSamples } from './testing/observed-samples.js'

const backlog = { name: 'backlog', alpha: 0.8, initial: 'first_loss' } satisfies PolicyChoice

describe('the column of backlog', () => {
  it('is the epoch of the last training', () => {
    const samples = new ObservedSamples(backlog, 3).report(0, [0, 1], [1, 1]).report(4, [1], [2])
    expect(samples.own().backlog_trained).toEqual([0, 4, Number.NaN])
  })

  it('stays what it was where a sample is scored alone, or has no finite loss', () => {
    const samples = new ObservedSamples(backlog, 3).report(0, [0, 1], [1, 1])
    samples.report(1, [0, 2], [2, 2], {}, false).report(2, [1], [Number.NaN])
    expect(samples.own().backlog_trained).toEqual([0, 0, Number.NaN])
  })

  it('is the same in whatever order the reports of an epoch come', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const [oneWay, otherWay] = inBothOrders(backlog, seed)
        expect(oneWay).toEqual(otherWay)
      }),
    )
  })
})

describe('backlog', () => {
  /** The loss whose gain this is, 0 to below 1. */
  const lossOf = (gain: number) => -Math.log(1 - Math.sqrt(gain))

  /** 0 trained on in epoch 3, 1 in epoch 2, 2 in epoch 0; with losses of these gains. */
  const waiting = (...gains: [number, number, number]) =>
    new ObservedSamples(backlog, 3)
      .report(0, [2], [lossOf(gains[2])])
      .report(2, [1], [lossOf(gains[1])])
      .report(3, [0], [lossOf(gains[0])])

  it.each([
    // 1, 2 and 4 epochs
    { gains: [0.5, 0.3, 0.1], kept: [1] },
    { gains: [0.65, 0.3, 0.1], kept: [0] },
    { gains: [0.5, 0.225, 0.15], kept: [2] },
  ])('keeps the largest product of gain and epochs waited: $gains', ({ gains, kept }) => {
    const samples = waiting(...(gains as [number, number, number]))
    expect(samples.kept({ epoch: 4, pruneRate: 0.6 })).toEqual(kept)
  })

  it('counts what was waited in selection periods', () => {
    // In periods of 2 they waited 1, 1.5 and 2.5.
    expect(waiting(0.5, 0.3, 0.19).kept({ epoch: 4, pruneRate: 0.6, selectionPeriod: 2 })).toEqual([0])
    expect(waiting(0.5, 0.3, 0.21).kept({ epoch: 4, pruneRate: 0.6, selectionPeriod: 2 })).toEqual([2])
  })

  it('keeps what has no loss first, and counts from the start of the run for what was scored alone', () => {
    const samples = new ObservedSamples(backlog, 3).report(2, [0], [lossOf(0.5)])
    samples.report(2, [1], [lossOf(0.2)], {}, false)
    expect(samples.kept({ epoch: 3, pruneRate: 0.6 })).toEqual([2])
    // 0.5 waited 1, 0.2 waited 4.
    expect(samples.kept({ epoch: 3, pruneRate: 0.3 })).toEqual([1, 2])
  })

  it('takes losses below 0 as 0, and keeps what has no loss before the largest that there is', () => {
    const below = new ObservedSamples(backlog, 2).report(0, [0], [-5]).report(1, [1], [0.1])
    expect(below.kept({ epoch: 9, pruneRate: 0.5 })).toEqual([1])
    const large = new ObservedSamples(backlog, 2).report(0, [0], [MAX_F32])
    for (let seed = 0; seed < 20; seed++) expect(large.kept({ epoch: 9, pruneRate: 0.5, seed })).toEqual([1])
  })

  it('keeps what has a loss of 0 only where nothing else is left', () => {
    const samples = new ObservedSamples(backlog, 3).report(0, [0, 1, 2], [0, 1e-3, 1e-3])
    for (let epoch = 1; epoch < 500; epoch++) {
      expect(samples.kept({ epoch, pruneRate: 0.3, seed: epoch })).toEqual([1, 2])
      samples.report(epoch, [1, 2], [1e-3, 1e-3])
    }
  })

  it('counts on while a sample has no finite loss, so that it comes up more and more', () => {
    const samples = new ObservedSamples(backlog, 2).report(0, [0, 1], [lossOf(0.1), lossOf(0.9)])
    const kept = [1, 2, 3, 11, 12].map((epoch) => {
      samples.report(epoch - 1, [0, 1], [Number.NaN, lossOf(0.9)])
      return samples.kept({ epoch, pruneRate: 0.5 })
    })
    expect(kept).toEqual([[1], [1], [1], [0], [0]])
  })

  it('keeps a sample every time at most', () => {
    const samples = new ObservedSamples(backlog, 3).report(0, [0, 1, 2], [lossOf(0.9), lossOf(0.1), lossOf(0.1)])
    for (let epoch = 1; epoch < 20; epoch++) {
      const kept = samples.kept({ epoch, pruneRate: 0.3, seed: epoch })
      expect(kept).toHaveLength(2)
      expect(kept).toContain(0)
      samples.report(
        epoch,
        kept,
        kept.map((index) => lossOf(index === 0 ? 0.9 : 0.1)),
      )
    }
  })

  it('tells losses apart that are far below 1', () => {
    expect(new ObservedSamples(backlog, 2).report(0, [0, 1], [2e-15, 1e-15]).kept({ pruneRate: 0.5 })).toEqual([0])
    expect(new ObservedSamples(backlog, 2).report(0, [0, 1], [1e-18, 2e-18]).kept({ pruneRate: 0.5 })).toEqual([1])
  })

  it('keeps samples over the epochs about in proportion to their gains', () => {
    // Of gains 1, 2, 3, ..., 20 in 21, of which a quarter is kept: 0.25 * 20 / 210 of each unit.
    const losses = Array.from({ length: 20 }, (_, i) => lossOf((i + 1) / 21))
    const samples = new ObservedSamples(backlog, 20).report(0, [...losses.keys()], losses)
    const times = losses.map(() => 0)
    const epochs = 420
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const kept = samples.kept({ epoch, pruneRate: 0.75, seed: epoch })
      for (const index of kept) (times[index] as number)++
      samples.report(
        epoch,
        kept,
        kept.map((index) => losses[index] as number),
      )
    }
    times.forEach((count, index) => {
      const share = count / epochs
      const expected = (5 * (index + 1)) / 210
      expect(Math.abs(share / expected - 1)).toBeLessThan(0.25)
    })
  })

  it('takes turns where all losses are alike: two selections of a half have nothing in common', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 30 }), fc.nat(), fc.constantFrom(1, 10), (count, seed, selectionPeriod) => {
        const all = Array.from({ length: count }, (_, i) => i)
        const samples = new ObservedSamples(backlog, count).report(0, all, new Array(count).fill(1))
        const seen = new Set<number>()
        for (let epoch = 1; epoch <= 2; epoch++) {
          const kept = samples.kept({ epoch, pruneRate: 0.5, seed, selectionPeriod })
          for (const index of kept) seen.add(index)
          samples.report(epoch, kept, new Array(kept.length).fill(1))
        }
        // All of an even number, also where a changed rate selects within a period.
        expect(seen.size).toBe(2 * Math.floor(count / 2))
      }),
    )
  })

  it('keeps as many as the prune rate says, and leaves the settings of the run alone', () => {
    expect(countIsOwn(backlog, 0.5)).toBe(false)
    expect(pruneRateProblem(backlog, 0.5)).toBeUndefined()
    expect(runDefaults(backlog, 100)).toEqual({})
  })

  it('has the moving statistics of its settings', () => {
    expect(resolvePolicy('backlog', {})).toEqual({ choice: backlog, violations: [] })
    expect(resolvePolicy('backlog', { alpha: 0 }).violations.map(({ field }) => field)).toEqual(['alpha'])
  })
})

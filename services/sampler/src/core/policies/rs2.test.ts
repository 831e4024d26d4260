import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choose } from '../random/choose.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { keptCount } from '../share.js'
import { SampleStatistics } from '../statistics/sample-statistics.js'
import { type PolicyChoice, runDefaults, statisticsSettings } from './registry.js'
import { selectFrom, statisticsOf } from './testing/select-from.js'

const rs2: PolicyChoice = { name: 'rs2' }

const unseen = (sampleCount: number) => new SampleStatistics(sampleCount, statisticsSettings(rs2))

/** So many selections, one an epoch, each of them counted. */
function walk(sampleCount: number, pruneRate: number, seed: number, selections: number) {
  const statistics = unseen(sampleCount)
  const pieces = Array.from({ length: selections }, (_, epoch) => {
    const piece = selectFrom(rs2, statistics, { pruneRate, seed, epoch })
    statistics.countKept(piece)
    return [...piece.indices()]
  })
  return { pieces, timesKept: statistics.timesKept }
}

const chiSquared = (counts: readonly number[], expected: number) =>
  counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)

describe('rs2', () => {
  it('keeps each sample exactly once in N / k pieces, and then anew in another order', () => {
    const { pieces } = walk(12, 0.75, 7, 8)
    const all = Array.from({ length: 12 }, (_, i) => i)
    const sorted = (list: number[][]) => list.flat().sort((a, b) => a - b)
    expect(sorted(pieces.slice(0, 4))).toEqual(all)
    expect(sorted(pieces.slice(4))).toEqual(all)
    expect(pieces.slice(4)).not.toEqual(pieces.slice(0, 4))
  })

  it('draws with the numbers of its epoch', () => {
    const kept = selectFrom(rs2, unseen(10), { pruneRate: 0.7, seed: 5, epoch: 3 }).indices()
    expect(kept).toEqual(choose(3, 10, new RandomStream(5n, 3, purpose.draw)))
  })

  it('goes on with the rest of the permutation where a piece crosses its end', () => {
    const { pieces } = walk(10, 0.7, 3, 10)
    expect(pieces.map((piece) => piece.length)).toEqual(new Array(10).fill(3))
    const [first, crossing] = [new Set(pieces.slice(0, 3).flat()), pieces[3] as number[]]
    expect(first.size).toBe(9)
    expect(crossing.filter((index) => !first.has(index))).toHaveLength(1)
    // The second permutation: the other two of the crossing piece, and the next eight.
    const second = [...crossing.filter((index) => first.has(index)), ...pieces.slice(4, 6).flat()]
    expect(new Set(second).size).toBe(8)
  })

  it('never has kept a sample twice more often than another, whatever N and k, and no sample twice in a piece', () => {
    const rates = fc.double({ min: 0, max: 0.95, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), rates, fc.nat(), (sampleCount, pruneRate, seed) => {
        const k = keptCount(pruneRate, sampleCount)
        if (k === 0) return
        const selections = Math.ceil((2 * sampleCount) / k)
        for (const count of [1, Math.floor(sampleCount / k), selections]) {
          const { pieces, timesKept } = walk(sampleCount, pruneRate, seed, count)
          for (const piece of pieces) expect(new Set(piece).size).toBe(k)
          const passes = Math.floor((count * k) / sampleCount)
          expect(timesKept.filter((times) => times !== passes && times !== passes + 1)).toHaveLength(0)
        }
        expect(walk(sampleCount, pruneRate, seed, 3)).toEqual(walk(sampleCount, pruneRate, seed, 3))
      }),
      { numRuns: 20 },
    )
  })

  it('keeps every sample equally often in a piece that crosses an end (chi-squared, 10 samples, 3 kept, 500 seeds)', () => {
    const counts = new Array(10).fill(0)
    for (let seed = 0; seed < 500; seed++)
      for (const index of walk(10, 0.7, seed, 4).pieces[3] as number[]) counts[index]++
    // Drawing without replacement: scaled by (n - 1) / (n - k) to be chi-squared.
    expect((chiSquared(counts, 150) * 9) / 7).toBeLessThan(27.88) // 99.9 %, 9 degrees of freedom
  })

  it('weighs all alike, with the inverse of how often they are kept', () => {
    expect([...(selectFrom(rs2, unseen(10), { pruneRate: 0.7 }).weights ?? [])]).toEqual(
      new Array(3).fill(Math.fround(10 / 3)),
    )
  })

  it('looks at no losses', () => {
    const losses = Array.from({ length: 20 }, (_, i) => (i % 3 === 0 ? undefined : i))
    const options = { pruneRate: 0.5, seed: 5 }
    expect(selectFrom(rs2, statisticsOf(rs2, losses), options)).toEqual(selectFrom(rs2, unseen(20), options))
  })

  it('goes on where the counts have reached their end', () => {
    const statistics = unseen(4)
    statistics.timesKept.set([65535, 65534, 65535, 65535])
    const piece = selectFrom(rs2, statistics, { pruneRate: 0.5 })
    expect([piece.count, piece.has(1)]).toEqual([2, true])
  })

  it('selects every epoch by default', () => {
    expect(runDefaults(rs2, 100)).toEqual({ selectionPeriod: 1 })
  })
})

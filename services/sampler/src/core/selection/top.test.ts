import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { purpose, RandomStream } from '../random/random-stream.js'
import { SampleStatistics } from '../statistics/sample-statistics.js'
import { toScoreKeys } from './score-keys.js'
import { selectTop } from './top.js'

const ties = (seed = 0) => new RandomStream(BigInt(seed), 1, purpose.ties)

/** Keys of samples with these scores; undefined is unseen. */
function keysOf(scores: (number | undefined)[]): Uint32Array {
  const statistics = new SampleStatistics(scores.length, { alpha: 1, initial: 'first_loss' })
  scores.forEach((score, i) => {
    if (score !== undefined) statistics.observations[i] = 1
  })
  return toScoreKeys(
    Float32Array.from(scores, (score) => score ?? 0),
    statistics,
  )
}

/** Larger ranks first; unseen before all. */
const rank = (score: number | undefined) => (score === undefined ? Number.POSITIVE_INFINITY : Math.fround(score) + 0)

describe('selectTop', () => {
  const few = fc.constantFrom(0, -0, 1, -1, 1e-45, -1e-45, 2.5, undefined)
  const any = fc.float({ noNaN: true, noDefaultInfinity: true })
  const scores = fc.array(fc.oneof(few, any), { minLength: 1, maxLength: 300 })

  it('takes the k largest: none outside is larger than one inside (by a full sort)', () => {
    fc.assert(
      fc.property(scores, fc.nat(), fc.nat(), (values, kSeed, seed) => {
        const k = kSeed % (values.length + 1)
        const kept = selectTop(keysOf(values), k, ties(seed))
        expect(new Set(kept).size).toBe(k)
        expect([...kept]).toEqual([...kept].sort((a, b) => a - b))
        const inside = new Set(kept)
        const byRank = values.map((value) => rank(value)).sort((a, b) => b - a)
        const keptRanks = [...inside].map((i) => rank(values[i])).sort((a, b) => b - a)
        expect(keptRanks).toEqual(byRank.slice(0, k))
      }),
      { numRuns: 1000 },
    )
  })

  it('ranks unseen samples before +infinity', () => {
    expect([...selectTop(keysOf([Number.POSITIVE_INFINITY, undefined, 5]), 1, ties())]).toEqual([1])
  })

  it('ties -0 with 0', () => {
    const taken = new Set(Array.from({ length: 40 }, (_, seed) => selectTop(keysOf([-0, 0]), 1, ties(seed))[0]))
    expect(taken).toEqual(new Set([0, 1]))
  })

  it('breaks ties uniformly, not by index (chi-squared over 20 tied samples, 3 places, 2,000 selections)', () => {
    const counts = new Array(22).fill(0)
    const keys = keysOf([9, 9, ...new Array(20).fill(1)])
    for (let seed = 0; seed < 2000; seed++) for (const i of selectTop(keys, 5, ties(seed))) counts[i]++
    expect(counts.slice(0, 2)).toEqual([2000, 2000])
    const chiSquared = counts.slice(2).reduce((sum, count) => sum + (count - 300) ** 2 / 300, 0)
    expect(chiSquared).toBeLessThan(43.82) // 99.9 % of chi-squared with 19 degrees of freedom
  })

  it('draws nothing where all tied samples are taken', () => {
    const random = ties()
    selectTop(keysOf([1, 1, 0]), 2, random)
    expect(random.next()).toBe(ties().next())
  })
})

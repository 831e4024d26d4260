import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { purpose, RandomStream } from '../random/random-stream.js'
import { countIsOwn, type PolicyChoice, pruneRateProblem, resolvePolicy, runDefaults } from './registry.js'
import { inBothOrders } from './testing/in-both-orders.js'
import { ObservedSamples } from './testing/observed-samples.js'

const repb = { name: 'repb', rho: 0.5 } satisfies PolicyChoice

describe('the column of repb', () => {
  it('tells of the epoch, and whether the loss was at least the mean of its report', () => {
    const samples = new ObservedSamples(repb, 6)
    samples.report(0, [0, 1, 2], [1, 2, 3])
    expect(samples.own().repb_above).toEqual([-1, 1, 1, Number.NaN, Number.NaN, Number.NaN])
    samples.report(3, [4, 0], [10, 20])
    expect(samples.own().repb_above).toEqual([4, 1, 1, Number.NaN, -4, Number.NaN])
  })

  it('leaves losses out of the mean that are not taken in', () => {
    const samples = new ObservedSamples(repb, 3).report(0, [2], [5])
    samples.report(0, [0, 0, 1, 2], [1, 90, Number.NaN, 90])
    expect(samples.own().repb_above).toEqual([1, Number.NaN, 1])
  })

  it('rounds the mean to f32', () => {
    // Halfway between two neighbours in f32, to the even one: 1.
    const samples = new ObservedSamples(repb, 2).report(0, [0, 1], [1, 1 + 2 ** -23])
    expect(samples.own().repb_above).toEqual([1, 1])
  })

  it('is the same in whatever order the reports of an epoch come', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const [oneWay, otherWay] = inBothOrders(repb, seed)
        expect(oneWay).toEqual(otherWay)
      }),
    )
  })
})

describe('repb', () => {
  it('keeps what was above, and what has no loss; of the others the share 1 - rho', () => {
    // 0 is above in the last epoch, 1 below; 2 was above in the epoch before and then left out; 3 has no loss.
    const samples = new ObservedSamples({ ...repb, rho: 0.7 }, 4)
    samples.report(0, [0, 1, 2], [1, 1, 1]).report(1, [0, 1], [3, 2])
    const counts = [0, 0, 0, 0]
    for (let seed = 0; seed < 4000; seed++) {
      for (const index of samples.kept({ epoch: 2, seed })) (counts[index] as number)++
    }
    expect([counts[0], counts[3]]).toEqual([4000, 4000])
    // 1,200 of 4,000, and five standard deviations of sqrt(4000 * 0.3 * 0.7) = 29
    for (const index of [1, 2]) expect(Math.abs((counts[index] as number) - 1200)).toBeLessThan(145)
  })

  it('throws one coin for each sample that needs one, in the order of the samples', () => {
    const states = fc.array(fc.constantFrom('above', 'below', 'left out', 'unseen'), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(states, fc.nat(), fc.constantFrom(0.1, 0.5, 0.9), (some, seed, rho) => {
        const those = (...wanted: string[]) => [...some.keys()].filter((i) => wanted.includes(some[i] as string))
        const samples = new ObservedSamples({ ...repb, rho }, some.length)
        const seen = those('above', 'below', 'left out')
        samples.report(0, seen, new Array(seen.length).fill(1))
        const observed = those('above', 'below')
        // Where all are below, none is: the mean is theirs.
        samples.report(
          1,
          observed,
          observed.map((i) => (some[i] === 'above' ? 2 : 1)),
        )
        const isAbove = (i: number) => some[i] === 'above' || (some[i] === 'below' && those('above').length === 0)
        const coins = new RandomStream(BigInt(seed), 2, purpose.draw)
        const expected = [...some.keys()].filter(
          (i) => some[i] === 'unseen' || isAbove(i) || coins.next() / 2 ** 32 < 1 - rho,
        )
        expect(samples.kept({ epoch: 2, seed })).toEqual(expected.length > 0 ? expected : [...some.keys()])
      }),
    )
  })

  it('weighs a sample by epochs so far over losses observed, at least 1, and 1 without a loss', () => {
    const samples = new ObservedSamples({ ...repb, rho: 0 }, 4)
    samples.report(0, [0, 1, 2], [1, 1, 1]).report(1, [0, 1], [1, 1]).report(2, [0], [1])
    const { weights } = samples.select({ epoch: 3 })
    expect(weights).toEqual(Float32Array.of(1, 3 / 2, 3, 1))
    // A selection for an epoch that has losses already: none is below 1.
    expect(samples.select({ epoch: 2 }).weights).toEqual(Float32Array.of(1, 1, 2, 1))
  })

  it('keeps everything with rho 0, and where the coins would keep nothing', () => {
    const samples = (rho: number) =>
      new ObservedSamples({ ...repb, rho }, 3).report(0, [0, 1, 2], [1, 2, 6]).report(1, [], [])
    expect(samples(0).kept({ epoch: 2 })).toEqual([0, 1, 2])
    expect(samples(1 - 2 ** -40).kept({ epoch: 2 })).toEqual([0, 1, 2])
  })

  it('decides how many it keeps; selects every epoch, with weights, by default', () => {
    expect(countIsOwn(repb, 0)).toBe(true)
    expect(pruneRateProblem(repb, 0)).toBeUndefined()
    expect(pruneRateProblem(repb, 0.5)).toMatch(/repb.*leave it at 0/)
    expect(runDefaults(repb, 100)).toEqual({ selectionPeriod: 1, weights: 'on' })
  })

  it('has a default, and refuses a rho outside [0, 1)', () => {
    expect(resolvePolicy('repb', {})).toEqual({ choice: repb, violations: [] })
    for (const rho of [-0.1, 1, Number.NaN]) {
      expect(resolvePolicy('repb', { rho }).violations.map(({ field }) => field)).toEqual(['rho'])
    }
  })
})

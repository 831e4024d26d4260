import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { purpose, RandomStream } from '../random/random-stream.js'
import { drawWeighted, UNSEEN_SIZE } from '../selection/draw-weighted.js'
import { keptCount } from '../share.js'
import { type PolicyChoice, resolvePolicy, runDefaults } from './registry.js'
import { selectFrom, statisticsOf } from './testing/select-from.js'
import { sumErrors } from './testing/weighted-sums.js'

const selectiveBackprop: PolicyChoice = { name: 'selective_backprop', exponent: 1 }
const NONE = undefined

/** What a draw with these sizes keeps: pairs of sample and weight. */
function draw(sizes: number[], count: number, seed: number) {
  const stream = new RandomStream(BigInt(seed), 1, purpose.draw)
  const { keptSet, weights } = drawWeighted(Float32Array.from(sizes), count, 0, stream)
  return [...keptSet.indices()].map((index, i) => [index, weights[i]])
}

function select(losses: (number | undefined)[], options: Parameters<typeof selectFrom>[2], exponent = 1) {
  const choice: PolicyChoice = { name: 'selective_backprop', exponent }
  const keptSet = selectFrom(choice, statisticsOf(choice, losses), options)
  return [...keptSet.indices()].map((index, i) => [index, keptSet.weights?.[i]])
}

describe('selective_backprop', () => {
  it('draws in proportion to the power of the share of seen samples with at most that loss, and weighs with the inverse', () => {
    const losses = [5, -1, 5, NONE, 7, 0, 2]
    const shares = [5, 1, 5, UNSEEN_SIZE, 6, 2, 3].map((count) => (count < 0 ? UNSEEN_SIZE : count / 6))
    const cubes = shares.map((each) => (each < 0 ? UNSEEN_SIZE : each ** 3))
    for (let seed = 0; seed < 50; seed++) {
      expect(select(losses, { pruneRate: 0.5, seed })).toEqual(draw(shares, 3, seed))
      expect(select(losses, { pruneRate: 0.5, seed }, 3)).toEqual(draw(cubes, 3, seed))
    }
  })

  it('weighs by hand: four losses, one of four kept', () => {
    // shares 1/4, 4/4, 2/4, 3/4 of sum 10/4
    const weight = { 0: 10, 1: 2.5, 2: 5, 3: 10 / 3 }
    const kept = Array.from({ length: 40 }, (_, seed) => select([-3, 70, 0.1, 0.2], { pruneRate: 0.75, seed })).flat()
    expect(kept).toHaveLength(40)
    for (const [index, each] of kept) expect(each).toBeCloseTo(weight[index as 0 | 1 | 2 | 3], 5)
  })

  it('goes by the last loss, not by the mean', () => {
    const statistics = statisticsOf(selectiveBackprop, [9, 0])
    statistics.observe(0, 1)
    statistics.observe(1, 1.5)
    expect(statistics.mean[0]).toBeGreaterThan(statistics.mean[1] as number)
    const counts = [0, 0]
    for (let seed = 0; seed < 300; seed++) {
      for (const index of selectFrom(selectiveBackprop, statistics, { pruneRate: 0.5, seed }).indices()) {
        counts[index] = (counts[index] as number) + 1
      }
    }
    expect(counts[1]).toBeGreaterThan(160) // of 300, with probability 2/3
  })

  it('keeps samples without a loss first', () => {
    const kept = new Map(select([9, NONE, 9, 9, NONE, 9], { pruneRate: 0.5 }) as [number, number][])
    expect([kept.size, kept.get(1), kept.get(4)]).toEqual([3, 1, 1])
    expect(select([NONE, NONE], { pruneRate: 0.5 })).toHaveLength(1)
  })

  it('counts shares of the samples that have a loss, not of all', () => {
    const losses = [...new Array<undefined>(1000).fill(NONE), 1, 2]
    // (1/2)^16 and 1; as shares of all 1,002 the sizes would be 0 in f32, or near it.
    const kept = new Map(select(losses, { pruneRate: 1 / 1002 }, 16) as [number, number][])
    expect(kept.size).toBe(1001)
    expect(kept.get(1001)).toBe(1 + 2 ** -16)
  })

  it('keeps k, the same ones again, and the same where all losses are moved by a rising function', () => {
    const losses = fc.array(fc.option(fc.integer({ min: -50, max: 50 }), { nil: NONE }), {
      minLength: 1,
      maxLength: 60,
    })
    fc.assert(
      fc.property(losses, fc.double({ min: 0, max: 0.99, noNaN: true }), fc.nat(), (some, pruneRate, seed) => {
        const kept = select(some, { pruneRate, seed })
        expect(kept).toHaveLength(keptCount(pruneRate, some.length))
        const moved = some.map((loss) => (loss === NONE ? NONE : Math.exp(loss / 10)))
        expect(select(moved, { pruneRate, seed })).toEqual(kept)
      }),
    )
  })

  it.each([1, 3])('has weighted sums of losses without bias (exponent %f)', (exponent) => {
    const losses = Array.from({ length: 30 }, (_, i) => (i === 20 ? NONE : ((i * 7) % 30) ** 2 / 100))
    const values = losses.map((loss, i) => (loss ?? 4) + Math.sin(i))
    const choice: PolicyChoice = { name: 'selective_backprop', exponent }
    const statistics = statisticsOf(choice, losses)
    const { weighted, unweighted } = sumErrors(values, (seed) =>
      selectFrom(choice, statistics, { seed, pruneRate: 0.6 }),
    )
    expect(weighted).toBeLessThan(4)
    expect(unweighted).toBeGreaterThan(40)
  })

  it('has exponent 1 and no weights by default', () => {
    expect(resolvePolicy('selective_backprop', {})).toEqual({ choice: selectiveBackprop, violations: [] })
    expect(runDefaults(selectiveBackprop, 100)).toEqual({})
  })

  it.each([-1, 17])('refuses exponent %f', (exponent) => {
    const description = `exponent is ${exponent}; it must be from 0 to 16`
    expect(resolvePolicy('selective_backprop', { exponent }).violations).toEqual([{ field: 'exponent', description }])
  })
})

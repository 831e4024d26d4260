import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { purpose, RandomStream } from '../random/random-stream.js'
import { drawWeighted, UNSEEN_SIZE } from '../selection/draw-weighted.js'
import { keptCount } from '../share.js'
import { type PolicyChoice, resolvePolicy, runDefaults } from './registry.js'
import { selectFrom, statisticsOf } from './testing/select-from.js'
import { sumErrors } from './testing/weighted-sums.js'

const importance: PolicyChoice = { name: 'importance', exponent: 1, uniformShare: 0.1 }
const NONE = undefined

/** What a draw with these sizes keeps: pairs of sample and weight. */
function draw(sizes: number[], count: number, uniformShare: number, seed: number, epoch = 1) {
  const stream = new RandomStream(BigInt(seed), epoch, purpose.draw)
  const { keptSet, weights } = drawWeighted(Float32Array.from(sizes), count, uniformShare, stream)
  return [...keptSet.indices()].map((index, i) => [index, weights[i]])
}

function select(choice: PolicyChoice, losses: (number | undefined)[], options: Parameters<typeof selectFrom>[2]) {
  const keptSet = selectFrom(choice, statisticsOf(choice, losses), options)
  return [...keptSet.indices()].map((index, i) => [index, keptSet.weights?.[i]])
}

describe('importance', () => {
  it('draws in proportion to the power of the mean loss, those below 0 as 0, and weighs with the inverse', () => {
    const losses = [1, 3, -2, 0.5, NONE, 2, 4, 1]
    for (let seed = 0; seed < 50; seed++) {
      const options = { pruneRate: 0.5, seed, epoch: 4 }
      expect(select(importance, losses, options)).toEqual(draw([1, 3, 0, 0.5, UNSEEN_SIZE, 2, 4, 1], 4, 0.1, seed, 4))
      expect(select({ ...importance, exponent: 2, uniformShare: 0.3 }, losses, options)).toEqual(
        draw([1, 9, 0, 0.25, UNSEEN_SIZE, 4, 16, 1], 4, 0.3, seed, 4),
      )
    }
  })

  it('weighs by hand: sizes of 1 to 4, one of four kept', () => {
    const weight = { 0: 10, 1: 5, 2: 10 / 3, 3: 2.5 }
    const kept = Array.from({ length: 40 }, (_, seed) =>
      select({ ...importance, uniformShare: 0 }, [1, 2, 3, 4], { pruneRate: 0.75, seed }),
    ).flat()
    expect(kept).toHaveLength(40)
    for (const [index, each] of kept) expect(each).toBeCloseTo(weight[index as 0 | 1 | 2 | 3], 5)
  })

  it('goes by the moving mean, not by the last loss', () => {
    const statistics = statisticsOf(importance, [10, 10, 10])
    statistics.observe(0, 0) // mean 2
    const options = { pruneRate: 1 / 3, seed: 3 }
    const keptSet = selectFrom({ ...importance, uniformShare: 0 }, statistics, options)
    const sizes = [...statistics.mean]
    expect([...keptSet.indices()].map((index, i) => [index, keptSet.weights?.[i]])).toEqual(draw(sizes, 2, 0, 3))
    expect(sizes[0]).toBeCloseTo(2, 5)
  })

  it('keeps samples without a loss first, each with weight 1', () => {
    const kept = new Map(select(importance, [9, NONE, 9, 9, NONE, 9], { pruneRate: 0.5 }) as [number, number][])
    expect([kept.size, kept.get(1), kept.get(4)]).toEqual([3, 1, 1])
  })

  it('keeps k, the same ones again, whatever the losses', () => {
    const losses = fc.array(fc.oneof(fc.constant(NONE), fc.float({ noNaN: true, noDefaultInfinity: true })), {
      minLength: 1,
      maxLength: 60,
    })
    const settings = fc.record({
      exponent: fc.double({ min: 0, max: 16, noNaN: true }),
      uniformShare: fc.double({ min: 0, max: 1, noNaN: true }),
      pruneRate: fc.double({ min: 0, max: 0.99, noNaN: true }),
      seed: fc.nat(),
    })
    fc.assert(
      fc.property(losses, settings, (some, { exponent, uniformShare, pruneRate, seed }) => {
        const choice: PolicyChoice = { name: 'importance', exponent, uniformShare }
        const kept = select(choice, some, { pruneRate, seed })
        expect(kept).toHaveLength(keptCount(pruneRate, some.length))
        expect(select(choice, some, { pruneRate, seed })).toEqual(kept)
      }),
    )
  })

  it('has weighted sums of losses without bias', () => {
    const losses = Array.from({ length: 30 }, (_, i) => (i === 20 ? NONE : ((i * 7) % 30) ** 2 / 100))
    const values = losses.map((loss, i) => (loss ?? 4) + Math.sin(i))
    const statistics = statisticsOf(importance, losses)
    const { weighted, unweighted } = sumErrors(values, (seed) =>
      selectFrom(importance, statistics, { seed, pruneRate: 0.6 }),
    )
    expect(weighted).toBeLessThan(4)
    expect(unweighted).toBeGreaterThan(40)
  })

  it('has weights and a tenth of the uniform by default', () => {
    expect(resolvePolicy('importance', {})).toEqual({ choice: importance, violations: [] })
    expect(runDefaults(importance, 100)).toEqual({ weights: 'on' })
  })

  it.each([
    [{ exponent: -0.1 }, 'exponent is -0.1; it must be from 0 to 16'],
    [{ exponent: 16.5 }, 'exponent is 16.5; it must be from 0 to 16'],
    [{ uniformShare: 1.1 }, 'uniform_share is 1.1; it must be from 0 to 1'],
  ])('refuses %j', (given, description) => {
    const field = description.split(' ')[0]
    expect(resolvePolicy('importance', given).violations).toEqual([{ field, description }])
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choose } from '../random/choose.js'
import { purpose, RandomStream } from '../random/random-stream.js'
import { keptCount } from '../share.js'
import { countIsOwn, type PolicyChoice, pruneRateProblem, resolvePolicy, runDefaults } from './registry.js'
import { selectFrom, statisticsOf } from './testing/select-from.js'
import { sumErrors } from './testing/weighted-sums.js'

const infoBatch: PolicyChoice = { name: 'info_batch', r: 0.5 }
const NONE = undefined

/** Losses of samples, some without; many tie. */
const someLosses = fc.array(
  fc.oneof(fc.constant(NONE), fc.integer({ min: 0, max: 5 }), fc.float({ min: -1, max: 9, noNaN: true })),
  { minLength: 1, maxLength: 50 },
)

/** A kept set as pairs of sample and weight. */
function select(losses: readonly (number | undefined)[], options: Parameters<typeof selectFrom>[2] & { r?: number }) {
  const choice: PolicyChoice = { ...infoBatch, ...(options.r === undefined ? {} : { r: options.r }) }
  const keptSet = selectFrom(choice, statisticsOf(choice, losses), options)
  return new Map([...keptSet.indices()].map((index, i) => [index, keptSet.weights?.[i]]))
}

/** 30 losses, of which 19 are below their mean. */
const losses = Array.from({ length: 30 }, (_, i) => ((i * 7) % 30) ** 2 / 100)

describe('info_batch without a prune rate', () => {
  it('keeps all that is not below the mean, and half of the rest with twice the weight', () => {
    // mean of the seen: 4; below it: 1, 2, 3, 1, 3
    const kept = select([1, 2, 4, 3, 9, 1, 9, 3, NONE, 4], { seed: 3 })
    expect([2, 4, 6, 8, 9].map((index) => kept.get(index))).toEqual([1, 1, 1, 1, 1])
    const below = [...kept].filter(([index]) => [0, 1, 3, 5, 7].includes(index))
    expect(below.map(([, weight]) => weight)).toEqual([2.5, 2.5]) // 5 / floor(0.5 * 5)
    expect(kept.size).toBe(7)
  })

  it('counts a loss of exactly the mean as not below it, the mean being rounded to f32', () => {
    // The f64 mean of the three f32 nearest to 0.1 and neighbours is above the middle one by less than half a step.
    const [low, high] = [Math.fround(0.1), Math.fround(0.1) + 2 ** -27]
    expect(select([low, low, high], { r: 0.9 }).size).toBe(3)
    expect(select([2, 2, 2], { r: 0.9 }).size).toBe(3)
  })

  it('keeps one of those below the mean where none is their share', () => {
    const kept = select([1, 9], { r: 0.9 })
    expect([...kept]).toEqual([
      [0, 1],
      [1, 1],
    ])
    expect(select([1, 1, 1, 99], { r: 0.9 }).size).toBe(2)
  })

  it('keeps all where no sample has a loss', () => {
    expect([...select([NONE, NONE, NONE], {}).keys()]).toEqual([0, 1, 2])
  })

  it('keeps floor((1 - r) m), each with exactly m over their number, and gives the same set again', () => {
    fc.assert(
      fc.property(someLosses, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.nat(), (some, r, seed) => {
        const seen = some.filter((loss) => loss !== undefined).map(Math.fround)
        const mean = Math.fround(seen.reduce((a, b) => a + b, 0) / seen.length)
        const isBelow = (index: number) => some[index] !== undefined && Math.fround(some[index]) < mean
        const m = some.filter((_, index) => isBelow(index)).length
        const kept = select(some, { r, seed })
        const drawn = [...kept.keys()].filter(isBelow).length
        expect(drawn).toBe(m === 0 ? 0 : Math.max(1, keptCount(r, m)))
        expect(kept.size).toBe(some.length - m + drawn)
        for (const [index, weight] of kept) expect(weight).toBe(isBelow(index) ? Math.fround(m / drawn) : 1)
        expect(select(some, { r, seed })).toEqual(kept)
      }),
    )
  })

  it('draws anew at each epoch', () => {
    expect(select(losses, { epoch: 1 })).not.toEqual(select(losses, { epoch: 2 }))
  })

  it.each([0.5, 0.8])('has weighted sums of losses without bias (r %f)', (r) => {
    const choice: PolicyChoice = { name: 'info_batch', r }
    const statistics = statisticsOf(choice, losses)
    const { weighted, unweighted } = sumErrors(losses, (seed) => selectFrom(choice, statistics, { seed }))
    expect(weighted).toBeLessThan(4)
    expect(unweighted).toBeGreaterThan(40)
  })
})

describe('info_batch with a prune rate', () => {
  it('draws from the p N / r samples with the smallest loss, so that k are kept', () => {
    // p / r = 0.6 of 10 samples: 6 candidates, of which 7 - 4 are kept
    const kept = select([5, 1, 8, 2, 0, 9, 3, 7, 6, 4], { pruneRate: 0.3, seed: 1 })
    expect([2, 5, 7, 8].map((index) => kept.get(index))).toEqual([1, 1, 1, 1])
    expect(kept.size).toBe(7)
    expect([...kept.values()].filter((weight) => weight === 2)).toHaveLength(3)
  })

  it('takes ties with the numbers for ties, and draws with those for draws, of the epoch', () => {
    const kept = select(new Array(10).fill(1), { pruneRate: 0.3, seed: 5, epoch: 3 })
    const certain = choose(4, 10, new RandomStream(5n, 3, purpose.ties))
    const rest = Array.from({ length: 10 }, (_, i) => i).filter((i) => !certain.includes(i))
    const drawn = choose(3, 6, new RandomStream(5n, 3, purpose.draw))
    expect(kept).toEqual(
      new Map([...[...certain].map((i) => [i, 1]), ...[...drawn].map((i) => [rest[i], 2])] as [number, number][]),
    )
  })

  it('has samples without a loss before all others', () => {
    const kept = select([5, 1, NONE, 2, 0, NONE, NONE, 7, NONE, 4], { pruneRate: 0.3 })
    expect([2, 5, 6, 8].map((index) => kept.get(index))).toEqual([1, 1, 1, 1])
  })

  it('keeps k, and gives the drawn exactly m over their number', () => {
    const settings = fc.record({
      r: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      part: fc.double({ min: 0.01, max: 1, noNaN: true }),
      seed: fc.nat(),
    })
    fc.assert(
      fc.property(someLosses, settings, (some, { r, part, seed }) => {
        const pruneRate = part * r
        const kept = select(some, { r, pruneRate, seed })
        const k = keptCount(pruneRate, some.length)
        expect(kept.size).toBe(k)
        const m = Math.max(keptCount(1 - pruneRate / r, some.length), some.length - k)
        const drawn = k - (some.length - m)
        const weights = [...kept.values()].sort()
        const weight = Math.fround(m / drawn)
        expect(weights).toEqual([...new Array(k - drawn).fill(1), ...new Array(drawn).fill(weight)])
        expect(select(some, { r, pruneRate, seed })).toEqual(kept)
      }),
    )
  })

  it('keeps the same samples for certain in whatever order they are', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 40 }),
        fc.nat(),
        (some, seed) => {
          const certain = (list: number[]) => {
            const kept = select(list, { pruneRate: 0.3, r: 0.4, seed })
            return new Set([...kept].filter(([, weight]) => weight === 1).map(([index]) => list[index]))
          }
          expect(certain(some)).toEqual(certain([...some].reverse()))
        },
      ),
    )
  })

  it('has weighted sums of losses without bias, with ties at the threshold and samples without a loss', () => {
    const some = losses.map((loss, i) => (i % 9 === 0 ? NONE : Math.ceil(loss)))
    const statistics = statisticsOf(infoBatch, some)
    const values = some.map((loss) => loss ?? 5)
    const { weighted, unweighted } = sumErrors(values, (seed) =>
      selectFrom(infoBatch, statistics, { seed, pruneRate: 0.35 }),
    )
    expect(weighted).toBeLessThan(4)
    expect(unweighted).toBeGreaterThan(40)
  })
})

describe('the settings of info_batch', () => {
  it('leave half of what is below the threshold out unless told otherwise', () => {
    expect(resolvePolicy('info_batch', {})).toEqual({ choice: infoBatch, violations: [] })
  })

  it.each([0, 1, -0.1, Number.NaN])('refuse r %f', (r) => {
    const description = `r is ${r}; it must be above 0 and below 1`
    expect(resolvePolicy('info_batch', { r }).violations).toEqual([{ field: 'r', description }])
  })

  it('refuse a prune rate above r', () => {
    expect(pruneRateProblem(infoBatch, 0.6)).toBe('it must be at most 0.5, the r of policy info_batch')
    expect(pruneRateProblem(infoBatch, 0.5)).toBeUndefined()
  })

  it('leave the count to the policy only without a prune rate', () => {
    expect([countIsOwn(infoBatch, 0), countIsOwn(infoBatch, 0.1)]).toEqual([true, false])
  })

  it('select every epoch, with weights and a full last eighth', () => {
    expect(runDefaults(infoBatch, 20)).toEqual({ selectionPeriod: 1, weights: 'on', tailEpochs: 3 })
    expect(runDefaults(infoBatch, undefined)).toEqual({ selectionPeriod: 1, weights: 'on' })
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kMeansBounds } from './k-means.js'

/** The group of each value: the number of bounds below it. */
const groupsBy = (bounds: Float64Array, values: readonly number[]) =>
  values.map((value) => bounds.filter((bound) => bound < value).length)

const groupsOf = (values: readonly number[], groups: number) =>
  groupsBy(kMeansBounds(Float32Array.from(values).sort(), groups), values)

/** Lloyd's algorithm as it is told: every value looks at all centres, and every centre at all values. */
function naiveGroups(values: readonly number[], groups: number, maxRounds: number): number[] {
  const sorted = [...values].sort((a, b) => a - b)
  const centres = Array.from(
    { length: groups },
    (_, j) => sorted[Math.floor(((j + 0.5) / groups) * values.length)] ?? 0,
  )
  // By the middles, and not by the distances, which are rounded otherwise.
  const nearest = (value: number) =>
    centres.filter((centre, j) => j > 0 && value > ((centres[j - 1] as number) + centre) / 2).length
  let assigned = values.map(nearest)
  for (let round = 0; round < maxRounds; round++) {
    for (let j = 0; j < groups; j++) {
      const group = values.filter((_, i) => assigned[i] === j)
      if (group.length > 0) centres[j] = group.reduce((a, b) => a + b, 0) / group.length
    }
    const before = assigned
    assigned = values.map(nearest)
    if (assigned.every((group, i) => group === before[i])) break
  }
  return assigned
}

describe('kMeansBounds', () => {
  it('moves the centres until no value changes its group, by hand', () => {
    // Centres 1 and 8, the elements 1 and 3, so 0, 1 | 6, 8, 20. Centres 0.5 and 34 / 3: the same groups.
    // Centres 1 and 8, so 0, 1, 2, 4 | 8, 90. Centres 1.75 and 49, so 0, 1, 2, 4, 8 | 90. Centres 3 and 90: the same groups.
    expect(kMeansBounds(Float32Array.of(0, 1, 2, 4, 8, 90), 2)).toEqual(Float64Array.of(46.5))
  })

  it('puts a value halfway between two centres into the lower group', () => {
    // Centres 1 and 3; with 2 in the upper group they would be 1 and 8 / 3, and it would stay there.
    expect(groupsOf([1, 1, 2, 3, 3], 2)).toEqual([0, 0, 0, 1, 1])
  })

  it('leaves groups empty where there are fewer values than groups, and equal values together', () => {
    expect(new Set(groupsOf([7, 7, 7], 5))).toEqual(new Set([0]))
    expect(groupsOf([1, 5], 4)).toEqual([0, 2])
    expect(kMeansBounds(new Float32Array(), 3)).toEqual(Float64Array.of(Number.NaN, Number.NaN))
  })

  it('makes the groups of a naive Lloyd', () => {
    // Integers, so that both have the same sums, whatever their order.
    const values = fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: -(2 ** 24), max: 2 ** 24 })), {
      minLength: 1,
      maxLength: 60,
    })
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 12 }), (some, groups) => {
        expect(groupsOf(some, groups)).toEqual(naiveGroups(some, groups, 100))
      }),
      { numRuns: 500 },
    )
  })

  it('ends after 100 rounds', () => {
    // Ever larger gaps: it takes 136 until no value changes its group.
    const values = Array.from({ length: 300 }, (_, i) => Math.floor(1e6 / (i + 1)))
    const after = (rounds: number) => naiveGroups(values, 30, rounds).join()
    expect(after(100)).not.toBe(after(99))
    expect(after(101)).not.toBe(after(100))
    expect(groupsOf(values, 30).join()).toBe(after(100))
  })

  it('keeps its bounds in order for values of any size', () => {
    const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 12 }), (some, groups) => {
        const bounds = kMeansBounds(Float32Array.from(some).sort(), groups)
        expect([...bounds]).toEqual([...bounds].sort((a, b) => a - b))
      }),
      { numRuns: 500 },
    )
  })
})

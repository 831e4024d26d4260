import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countIsOwn, type PolicyChoice, pruneRateProblem, resolvePolicy, runDefaults } from './registry.js'
import { ObservedSamples } from './testing/observed-samples.js'

const seta = { name: 'seta', dropRate: 0, groups: 5, window: 0.4 } satisfies PolicyChoice

/** Samples with these losses, one each, after `unseen` samples without. */
function samplesOf(policy: PolicyChoice, losses: readonly number[], unseen = 0): ObservedSamples {
  const indices = losses.map((_, i) => unseen + i)
  return new ObservedSamples(policy, unseen + losses.length).report(0, indices, losses)
}

/** Five groups of two: 0 and 5 are the easiest, 4 and 9 the hardest. */
const inGroups = [0, 1, 2, 3, 4, 0.1, 1.1, 2.1, 3.1, 4.1]

describe('seta', () => {
  it('keeps a window of groups of like losses that moves on by one at each selection, and wraps', () => {
    const samples = samplesOf(seta, inGroups)
    const groupsAt = (selections: number) => samples.kept({ selections })
    expect(groupsAt(0)).toEqual([0, 1, 5, 6])
    expect(groupsAt(1)).toEqual([1, 2, 6, 7])
    expect(groupsAt(3)).toEqual([3, 4, 8, 9])
    expect(groupsAt(4)).toEqual([0, 4, 5, 9])
    expect(groupsAt(5)).toEqual([0, 1, 5, 6])
  })

  it.each([
    [0.01, 1],
    [0.4, 2],
    [0.5, 2], // 2.5, to the even one
    [0.7, 4], // 3.5
    [0.9, 4], // 4.5
    [1, 5],
  ])('has a window of %d of 5 groups, which are %d', (window, size) => {
    const samples = samplesOf({ ...seta, window }, inGroups)
    expect(samples.kept()).toHaveLength(2 * size)
  })

  it('leaves a share of the samples that have a loss out at random, all equally often (chi-squared)', () => {
    const unseen = 4
    const samples = samplesOf({ ...seta, dropRate: 0.25, window: 1 }, new Array(40).fill(1), unseen)
    const counts = new Array(44).fill(0)
    for (let seed = 0; seed < 4000; seed++) {
      const kept = samples.kept({ seed })
      expect(kept).toHaveLength(4 + 30)
      for (const index of kept) counts[index]++
    }
    expect(counts.splice(0, unseen)).toEqual([4000, 4000, 4000, 4000])
    // Of a draw without replacement: 30 of 40, as for `random`.
    const chiSquared = counts.reduce((sum, count) => sum + (count - 3000) ** 2 / 3000, 0)
    expect((chiSquared * 39) / 10).toBeLessThan(72.06) // 99.9 %, 39 degrees of freedom
  })

  it('puts a loss on the bound between two groups into the lower one', () => {
    // 0, 2 | 3, 3, with centres 1 and 3.
    expect(samplesOf({ ...seta, groups: 2, window: 0.5 }, [0, 2, 3, 3]).kept()).toEqual([0, 1])
  })

  it('draws anew at each epoch', () => {
    const samples = samplesOf({ ...seta, dropRate: 0.5, window: 1 }, new Array(40).fill(1))
    expect(samples.kept({ epoch: 1 })).not.toEqual(samples.kept({ epoch: 2 }))
    expect(samples.kept({ epoch: 1 })).toEqual(samples.kept({ epoch: 1 }))
  })

  it('makes the groups of the samples that the draw has left', () => {
    // Without 100 the groups are 0 | 1, 1; without 0 they are 1, 1 | 100, and without a 1 they are 0, 1 | 100. Of all they would be 0, 1, 1 | 100.
    const samples = samplesOf({ ...seta, groups: 2, window: 0.5, dropRate: 0.25 }, [0, 1, 1, 100])
    const kept = new Set(Array.from({ length: 40 }, (_, seed) => samples.kept({ seed }).join()))
    expect(kept).toEqual(new Set(['0', '1,2', '0,1', '0,2']))
  })

  it('keeps every sample at as many selections of a turn as the window has groups, and all where the window is empty', () => {
    const losses = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(losses, fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1, max: 8 }), (some, groups, size) => {
        const samples = samplesOf({ ...seta, groups, window: Math.min(1, size / groups) }, some)
        const sets = Array.from({ length: groups }, (_, selections) => samples.kept({ selections }))
        const full = sets.filter((kept) => kept.length === some.length).length
        for (const index of some.keys()) {
          const times = sets.filter((kept) => kept.includes(index)).length
          expect(times).toBeGreaterThanOrEqual(Math.min(groups, size))
          expect(times).toBeLessThanOrEqual(size + full)
        }
      }),
    )
  })

  it('keeps everything where nothing has a loss, and where the window holds only empty groups', () => {
    expect(new ObservedSamples(seta, 3).kept()).toEqual([0, 1, 2])
    const alike = samplesOf({ ...seta, window: 0.2 }, [1, 1, 1])
    expect([0, 1, 4].map((selections) => alike.kept({ selections }))).toEqual(new Array(3).fill([0, 1, 2]))
  })

  it('gives no weights, decides how many it keeps, and selects every epoch by default', () => {
    const { weights } = samplesOf({ ...seta, dropRate: 0.5 }, inGroups).select()
    expect(new Set(weights)).toEqual(new Set([1]))
    expect(countIsOwn(seta, 0)).toBe(true)
    expect(pruneRateProblem(seta, 0)).toBeUndefined()
    expect(pruneRateProblem(seta, 0.5)).toMatch(/seta.*leave it at 0/)
    expect(runDefaults(seta, 100)).toEqual({ selectionPeriod: 1 })
  })

  it('has defaults, and refuses settings out of their ranges', () => {
    expect(resolvePolicy('seta', {})).toEqual({
      choice: { name: 'seta', dropRate: 0.1, groups: 5, window: 0.9 },
      violations: [],
    })
    const { violations } = resolvePolicy('seta', { dropRate: 1, groups: 1, window: 0 })
    expect(violations.map(({ field }) => field)).toEqual(['drop_rate', 'groups', 'window'])
    expect(resolvePolicy('seta', { dropRate: -0.1, groups: 1001, window: 1.1 }).violations).toHaveLength(3)
    expect(resolvePolicy('seta', { dropRate: Number.NaN, groups: 1000, window: Number.NaN }).violations).toHaveLength(2)
  })
})

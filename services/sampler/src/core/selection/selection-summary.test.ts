import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeptSet } from './kept-set.js'
import { MAX_BINS, summarise } from './selection-summary.js'

it('counts what was kept always, sometimes, never, and how often, over selections', () => {
  const sets = fc.array(fc.uniqueArray(fc.nat(29), { maxLength: 30 }), { minLength: 1, maxLength: 9 })
  fc.assert(
    fc.property(sets, (selections) => {
      const timesKept = new Uint16Array(30)
      let previous: number[] = []
      selections.forEach((kept, held) => {
        const summary = summarise(KeptSet.of(kept, 30), timesKept, held, KeptSet.of(previous, 30))
        for (const index of kept) timesKept[index] = (timesKept[index] as number) + 1
        const histogram = new Array(held + 2).fill(0)
        for (const times of timesKept) histogram[times]++
        expect(summary.timesKept).toEqual(histogram)
        expect(summary).toMatchObject({ alwaysCount: histogram.at(-1), neverCount: histogram[0], binWidth: 1 })
        const union = new Set([...kept, ...previous]).size
        const both = kept.filter((index) => previous.includes(index)).length
        expect(summary.overlap).toBe(held === 0 ? undefined : union === 0 ? 1 : both / union)
        previous = kept
      })
    }),
  )
})

it('puts times kept together where there were many selections', () => {
  const timesKept = Uint16Array.from({ length: 200 }, (_, i) => i)
  const none = KeptSet.of([], 200)
  const { timesKept: bins, binWidth, alwaysCount, neverCount } = summarise(KeptSet.of([199], 200), timesKept, 199, none)
  expect([binWidth, alwaysCount, neverCount]).toEqual([4, 1, 1])
  expect(bins).toHaveLength(51)
  expect(bins.slice(0, 50)).toEqual([...new Array(49).fill(4), 3])
  expect(bins.reduce((sum, count) => sum + count)).toBe(200)
  const most = summarise(none, Uint16Array.of(0xffff, 0xfffe, 0), 0x2_0000, none)
  expect(most.timesKept.length).toBeLessThanOrEqual(MAX_BINS)
  expect([most.alwaysCount, most.neverCount]).toEqual([1, 1])
})

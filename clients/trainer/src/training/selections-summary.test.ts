import type { Selection } from '@keepset/client'
import { describe, expect, it } from 'vitest'
import { summariseSelections } from './selections-summary.js'

const selection = (epoch: number, counts: Partial<Selection>): Selection => ({
  epoch,
  keptCount: 4,
  alwaysCount: 4,
  sometimesCount: 0,
  neverCount: 4,
  overlap: undefined,
  timesKept: [4, 4],
  binWidth: 1,
  ...counts,
})

async function* stream(...selections: Selection[]) {
  yield* selections
}

describe('summariseSelections', () => {
  it('gives the shares and the overlap of the last one', async () => {
    const last = selection(2, { alwaysCount: 1, sometimesCount: 5, neverCount: 2, overlap: 0.25 })
    expect(await summariseSelections(stream(selection(1, {}), last))).toEqual({
      always: 0.125,
      sometimes: 0.625,
      never: 0.25,
      overlap: 0.25,
    })
  })

  it('has no overlap where one was held, and nothing where none was', async () => {
    expect(await summariseSelections(stream(selection(1, {})))).toMatchObject({ always: 0.5, overlap: null })
    expect(await summariseSelections(stream())).toBeNull()
  })
})

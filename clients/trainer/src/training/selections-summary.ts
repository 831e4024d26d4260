import type { Selection } from '@keepset/client'

/** What came of the selections of a run, as shares of its samples, 0 to 1. */
export interface SelectionsSummary {
  /** Kept by every selection. */
  readonly always: number
  /** Kept by some. */
  readonly sometimes: number
  /** Kept by none. */
  readonly never: number
  /** Jaccard index of the last two kept sets, samples in both / samples in one or both; null where there was one only. */
  readonly overlap: number | null
}

/** Sums up selections, in their order; null where none was held. */
export async function summariseSelections(selections: AsyncIterable<Selection>): Promise<SelectionsSummary | null> {
  let last: Selection | undefined
  for await (const selection of selections) last = selection
  if (!last) return null
  const { alwaysCount, sometimesCount, neverCount, overlap = null } = last
  const count = alwaysCount + sometimesCount + neverCount
  return { always: alwaysCount / count, sometimes: sometimesCount / count, never: neverCount / count, overlap }
}

import type { Selection } from '@keepset/client'
import { formatCount, formatShare } from './format.js'
import { formatTable } from './table.js'

const head = ['EPOCH', 'KEPT', 'ALWAYS', 'SOMETIMES', 'NEVER', 'OVERLAP'] as const

/** A line a selection: how many samples it kept, which share of all samples was kept always, sometimes and never by then, and its overlap with the one before. */
export function selectionsTable(selections: readonly Selection[]): string {
  return formatTable(selections.map(rowOf), head)
}

function rowOf({ epoch, keptCount, alwaysCount, sometimesCount, neverCount, overlap }: Selection): string[] {
  const sampleCount = alwaysCount + sometimesCount + neverCount
  const share = (count: number) => formatShare(count / sampleCount)
  return [
    String(epoch),
    formatCount(keptCount),
    share(alwaysCount),
    share(sometimesCount),
    share(neverCount),
    overlap === undefined ? '-' : formatShare(overlap),
  ]
}

/** How many reporters report at once. */
export const REPORTERS = [64, 8, 1] as const
export type Reporters = (typeof REPORTERS)[number]

/** Ranks of a run for which one of so many reporters reports, one after the other: few reporters have more to do, so that all take their time. */
const RANKS_EACH: Record<Reporters, number> = { 64: 1, 8: 4, 1: 16 }

export const WORLD_SIZE = REPORTERS.reduce((sum: number, reporters) => sum + reporters * RANKS_EACH[reporters], 0)

/** By reporter, the ranks that are its own. No two numbers of reporters share a rank, so that one epoch serves them all. */
export function ranksOf(reporters: Reporters): number[][] {
  let first = 0
  for (const before of REPORTERS.slice(0, REPORTERS.indexOf(reporters))) first += before * RANKS_EACH[before]
  const each = RANKS_EACH[reporters]
  return Array.from({ length: reporters }, (_, reporter) =>
    Array.from({ length: each }, (_, i) => first + reporter * each + i),
  )
}

/** Sizes of the bench. */
export interface Shape {
  readonly batchSize: number
  readonly reportsPerRank: number
}

/** Samples of a run in whose epochs each rank has just enough of them. */
export function sampleCountOf({ batchSize, reportsPerRank }: Shape): number {
  return WORLD_SIZE * batchSize * reportsPerRank
}

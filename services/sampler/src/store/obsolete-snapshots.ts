/** What the rule has to know of a snapshot. */
interface SavedSnapshot {
  readonly epochStart?: number | undefined
}

/**
 * The snapshots that RewindRun can go back to, out of all `saved` of a run in the order in which they were saved; `epochStart` ascending.
 * One whose `epochStart` is not below that of a later one belongs to a life that the run has been taken back from; of the others the
 * newest are kept, `count` at most.
 */
export function keptEpochStarts<T extends SavedSnapshot>(saved: readonly T[], count: number): T[] {
  const kept: T[] = []
  let earliest = Number.POSITIVE_INFINITY
  for (const snapshot of saved.toReversed()) {
    if (kept.length >= count) break
    const { epochStart } = snapshot
    if (epochStart === undefined || epochStart >= earliest) continue
    earliest = epochStart
    kept.push(snapshot)
  }
  return kept.reverse()
}

/** The snapshots that can go: all but the newest, from which the run is recovered, and those that are kept for rewinding. */
export function obsoleteSnapshots<T extends SavedSnapshot>(saved: readonly T[], count: number): T[] {
  const needed = new Set(keptEpochStarts(saved, count))
  return saved.filter((snapshot, index) => index < saved.length - 1 && !needed.has(snapshot))
}

/** A snapshot as the models of the tests know it. */
export interface ModelSnapshot {
  readonly text: string
  readonly epochStart: number | undefined
}

/** The epoch starts that are kept of snapshots in the order in which they were saved, by their epochs: the rule in other words than the stores'. */
export function modelEpochStarts(saved: readonly ModelSnapshot[], kept: number): Map<number, string> {
  const starts = saved.flatMap(({ text, epochStart }, place) => {
    const later = saved.slice(place + 1).flatMap((each) => each.epochStart ?? [])
    const isValid = epochStart !== undefined && later.every((epoch) => epoch > epochStart)
    return isValid ? [[epochStart, text] as const] : []
  })
  return new Map(kept === 0 ? [] : starts.slice(-kept))
}

/** The same where each snapshot that is not needed any more goes when the next one is saved, and does not come back. */
export function stillKept(saved: readonly ModelSnapshot[], kept: number): Map<number, string> {
  let there: readonly ModelSnapshot[] = []
  for (const snapshot of saved) {
    const starts = modelEpochStarts([...there, snapshot], kept)
    there = [...there, snapshot].filter((each) => each === snapshot || starts.get(each.epochStart ?? -1) === each.text)
  }
  return modelEpochStarts(there, kept)
}

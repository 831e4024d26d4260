import type { Connection } from './connection.js'
import { readStream } from './read-stream.js'
import { unreadable } from './unreadable.js'

/** What came of one selection. */
export interface Selection {
  /** Epoch that it was held for. */
  readonly epoch: number
  /** Samples that it kept. */
  readonly keptCount: number
  /** Samples that every selection so far kept, this one included. */
  readonly alwaysCount: number
  /** Samples that some selections so far kept. */
  readonly sometimesCount: number
  /** Samples that no selection so far kept. */
  readonly neverCount: number
  /** Jaccard index of its kept set and that of the selection before: samples in both / samples in one or both. Range [0, 1]; undefined for the first. */
  readonly overlap: number | undefined
  /** How many samples the selections so far kept how often: the first entry counts those kept 0 to `binWidth` - 1 times, and so on. At most 64 entries. */
  readonly timesKept: readonly number[]
  /** Times kept that an entry is for. At least 1: with 63 selections or fewer each has an entry of its own. */
  readonly binWidth: number
}

/** What came of each selection of a run, in their order: the last 256. */
export async function* readSelections(connection: Connection, runId: string): AsyncGenerator<Selection, void, void> {
  const messages = readStream(connection, {
    start: () => connection.runs.streamSelections({ runId }),
    name: `selections of run '${runId}'`,
    toDo: 'drop what came and ask for them again.',
  })
  for await (const { selection } of messages) {
    if (!selection) throw unreadable('nothing in place of a selection')
    const { overlap, ...counts } = selection
    yield { ...counts, overlap }
  }
}

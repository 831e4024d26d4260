import type { Selection } from '@keepset/client'
import type { CommandContext } from './command-context.js'
import { readAll } from './read-all.js'
import { formatJson, type JsonOption } from './run-json.js'
import { selectionsTable } from './selections-table.js'
import { printLine } from './streams.js'

/** `keepset runs selections`: what came of each of the last selections of a run. */
export async function showSelections(
  { client, streams }: CommandContext,
  runId: string,
  options: JsonOption,
): Promise<void> {
  const selections = await readAll(client.selections(runId))
  const print = (text: string) => printLine(streams.stdout, text)
  if (options.json) print(formatJson(selections.map(toJson)))
  else print(selections.length > 0 ? selectionsTable(selections) : `Nothing was selected yet in run ${runId}.`)
}

/** A selection with the names of the contract. Every key is always there; null for the overlap of the first. */
function toJson({ epoch, overlap, timesKept, binWidth, ...counts }: Selection): object {
  return {
    epoch,
    kept_count: counts.keptCount,
    always_count: counts.alwaysCount,
    sometimes_count: counts.sometimesCount,
    never_count: counts.neverCount,
    overlap: overlap ?? null,
    times_kept: timesKept,
    bin_width: binWidth,
  }
}

import type { SampleStatistics } from './read-statistics.js'
import { sampleRows } from './sample-row.js'

/** One JSON object a line. A value that is not known is null. Holds one chunk. */
export async function* toJsonLines({ run, chunks }: SampleStatistics): AsyncGenerator<string, void, void> {
  for await (const chunk of chunks) {
    let text = ''
    for (const row of sampleRows(chunk, run.progress.selections)) text += `${JSON.stringify(row)}\n`
    yield text
  }
}

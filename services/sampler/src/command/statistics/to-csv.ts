import { stringify } from 'csv-stringify/sync'
import type { SampleStatistics } from './read-statistics.js'
import { columns, metricColumn, sampleRows } from './sample-row.js'

/** CSV with a line of column names. A value that is not known is empty. Holds one chunk. */
export async function* toCsv({ run, metrics, chunks }: SampleStatistics): AsyncGenerator<string, void, void> {
  yield stringify([[...columns, ...metrics.map(metricColumn)]])
  for await (const chunk of chunks) {
    const rows = Array.from(sampleRows(chunk, run.progress.selections), Object.values)
    // No field has a line break: not looking for any saves a third of the time.
    yield stringify(rows, { quote_record_delimiter: false })
  }
}

import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from 'hyparquet-writer'
import type { SampleStatistics, StatisticsChunk } from './read-statistics.js'
import { classify, type columns, type MetricColumn, metricColumn } from './sample-row.js'

type Column = (typeof columns)[number]

/** Names and types of the columns. Only what may be unknown is optional, and null where it is. */
const types: Readonly<Record<Column, Omit<SchemaElement, 'name'>>> = {
  index: { type: 'INT32', converted_type: 'UINT_32', repetition_type: 'REQUIRED' },
  mean: { type: 'FLOAT', repetition_type: 'OPTIONAL' },
  variance: { type: 'FLOAT', repetition_type: 'OPTIONAL' },
  last_loss: { type: 'FLOAT', repetition_type: 'OPTIONAL' },
  times_reported: { type: 'INT32', converted_type: 'UINT_32', repetition_type: 'REQUIRED' },
  times_kept: { type: 'INT32', converted_type: 'UINT_32', repetition_type: 'REQUIRED' },
  kept: { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
}

function schemaOf(metrics: readonly string[]): SchemaElement[] {
  const elements = [
    ...Object.entries(types).map(([name, type]) => ({ name, ...type })),
    ...metrics.map((metric) => ({ name: metricColumn(metric), ...types.last_loss })),
  ]
  return [{ name: 'root', num_children: elements.length }, ...elements]
}

/** A row group has at least so many samples, but for the last one. */
const rowGroupSize = 200_000

/** A Parquet file, Snappy-compressed. A value that is not known is null. Holds one row group. */
export async function* toParquet({ run, metrics, chunks }: SampleStatistics): AsyncGenerator<Uint8Array, void, void> {
  const bytes = new ByteWriter()
  const writer = new ParquetWriter({ writer: bytes, schema: schemaOf(metrics), createdBy: 'keepset' })
  let group: StatisticsChunk[] = []
  let groupSize = 0
  const writeGroup = async () => {
    const columnData = toColumns(group, run.progress.selections, metrics)
    await writer.write({ columnData, rowGroupSize: groupSize })
    group = []
    groupSize = 0
    return take(bytes)
  }
  for await (const chunk of chunks) {
    group.push(chunk)
    groupSize += chunk.means.length
    if (groupSize >= rowGroupSize) yield await writeGroup()
  }
  if (groupSize > 0) yield await writeGroup()
  await writer.finish()
  yield take(bytes)
}

/** What was written since the last call; `offset` goes on counting the whole file. */
function take(bytes: ByteWriter): Uint8Array {
  const taken = bytes.getBytes().slice()
  bytes.index = 0
  return taken
}

function toColumns(group: readonly StatisticsChunk[], selections: number, metrics: readonly string[]): ColumnSource[] {
  const each = <T>(value: (chunk: StatisticsChunk, i: number) => T): T[] =>
    group.flatMap((chunk) => Array.from(chunk.means, (_, i) => value(chunk, i)))
  const loss = (values: (chunk: StatisticsChunk) => Float32Array) =>
    each((chunk, i) => (chunk.timesReported[i] === 0 ? null : values(chunk)[i]))
  const metricValue = (metric: string) => (chunk: StatisticsChunk, i: number) => {
    const value = chunk.metrics[metric]?.[i] as number
    return Number.isNaN(value) ? null : value
  }
  const data: Record<Column | MetricColumn, ColumnSource['data']> = {
    index: each(({ startIndex }, i) => startIndex + i),
    mean: loss(({ means }) => means),
    variance: loss(({ variances }) => variances),
    last_loss: loss(({ lastLosses }) => lastLosses),
    times_reported: each(({ timesReported }, i) => timesReported[i]),
    times_kept: each(({ timesKept }, i) => timesKept[i]),
    kept: each(({ timesKept }, i) => classify(timesKept[i] as number, selections) ?? null),
    ...Object.fromEntries(metrics.map((metric) => [metricColumn(metric), each(metricValue(metric))])),
  }
  return Object.entries(data).map(([name, values]) => ({
    name,
    data: values,
    ...(name === 'index' ? { encoding: 'DELTA_BINARY_PACKED' as const } : {}),
  }))
}

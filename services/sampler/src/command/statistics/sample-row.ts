import type { StatisticsChunk } from './read-statistics.js'
import { shortF32 } from './short-f32.js'

/** Whether all, some or none of the selections so far kept a sample; undefined while nothing was selected. */
export type Kept = 'always' | 'sometimes' | 'never' | undefined

/** The name of a metric's column; apart from the others, whatever the metric is called. */
export type MetricColumn = `metric_${string}`

export function metricColumn(metric: string): MetricColumn {
  return `metric_${metric}`
}

/** The statistics of one sample, its keys in the order of the columns. */
export interface SampleRow {
  readonly index: number
  /** null where the sample was never reported, as are the next two. */
  readonly mean: number | null
  readonly variance: number | null
  readonly last_loss: number | null
  readonly times_reported: number
  readonly times_kept: number
  readonly kept: Exclude<Kept, undefined> | null
  /** null where none was reported. */
  [metric: MetricColumn]: number | null
}

/** The columns of every format, in this order; those of the metrics follow. */
export const columns = [
  'index',
  'mean',
  'variance',
  'last_loss',
  'times_reported',
  'times_kept',
  'kept',
] as const satisfies readonly (keyof SampleRow)[]

/** Where the sampler's counts of a sample stay. */
const maxCount = 0xffff

/** The class of a sample that `timesKept` of so many selections kept. */
export function classify(timesKept: number, selections: number): Kept {
  if (selections === 0) return undefined
  if (timesKept === 0) return 'never'
  return timesKept >= Math.min(selections, maxCount) ? 'always' : 'sometimes'
}

/** The samples of a chunk, one after another. Losses have as few digits as reading the same f32 back needs. */
export function* sampleRows(chunk: StatisticsChunk, selections: number): Generator<SampleRow, void, void> {
  const { startIndex, means, variances, lastLosses, timesReported, timesKept } = chunk
  const metrics = Object.entries(chunk.metrics)
  for (let i = 0; i < means.length; i++) {
    const reported = timesReported[i] as number
    const kept = timesKept[i] as number
    const row: SampleRow = {
      index: startIndex + i,
      mean: lossAt(i, means, reported),
      variance: lossAt(i, variances, reported),
      last_loss: lossAt(i, lastLosses, reported),
      times_reported: reported,
      times_kept: kept,
      kept: classify(kept, selections) ?? null,
    }
    for (const [metric, values] of metrics) {
      const value = values[i] as number
      row[metricColumn(metric)] = Number.isNaN(value) ? null : shortF32(value)
    }
    yield row
  }
}

function lossAt(i: number, values: Float32Array, timesReported: number): number | null {
  return timesReported === 0 ? null : shortF32(values[i] as number)
}

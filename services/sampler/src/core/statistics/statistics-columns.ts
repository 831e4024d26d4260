import { type ColumnLayout, columnLayout } from './column-layout.js'

/** What is kept of each sample, a struct of arrays of the same length: 16 bytes a sample, and 4 for each metric. */
export interface StatisticsColumns {
  readonly mean: Float32Array
  readonly variance: Float32Array
  /** The loss observed last; 0 for a sample that is unseen. */
  readonly lastLoss: Float32Array
  /** Losses observed, at most one an epoch; stays at 65,535 once there. 0 = unseen. */
  readonly observations: Uint16Array
  /** Selections that kept the sample; stays at 65,535 once there. */
  readonly timesKept: Uint16Array
  /** The finite value of each metric that was reported last, a column a metric; NaN where none was. */
  readonly metrics: readonly Float32Array[]
}

/** Columns of samples of which nothing is known. */
export function emptyColumns(sampleCount: number, metricCount: number): StatisticsColumns {
  return {
    mean: new Float32Array(sampleCount),
    variance: new Float32Array(sampleCount),
    lastLoss: new Float32Array(sampleCount),
    observations: new Uint16Array(sampleCount),
    timesKept: new Uint16Array(sampleCount),
    metrics: Array.from({ length: metricCount }, () => new Float32Array(sampleCount).fill(Number.NaN)),
  }
}

const PAGE_BYTES = 0x10000

/** A memory for the columns of so many samples, which several threads can work on. Throws a RangeError where there is no room for it. */
export function allocateMemory(sampleCount: number, metricCount: number): WebAssembly.Memory {
  const layout = columnLayout(sampleCount, metricCount)
  const pages = Math.ceil(layout.bytes / PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  for (const values of columnsIn(memory, layout).metrics) values.fill(Number.NaN)
  return memory
}

/** The columns in a memory, as they are there. */
export function columnsIn({ buffer }: WebAssembly.Memory, layout: ColumnLayout): StatisticsColumns {
  const { sampleCount } = layout
  const floats = (offset: number) => new Float32Array(buffer, offset, sampleCount)
  const counts = (offset: number) => new Uint16Array(buffer, offset, sampleCount)
  return {
    mean: floats(layout.mean),
    variance: floats(layout.variance),
    lastLoss: floats(layout.lastLoss),
    observations: counts(layout.observations),
    timesKept: counts(layout.timesKept),
    metrics: layout.metrics.map(floats),
  }
}

import { bitBytes } from '../selection/kept-set.js'

/** Where the columns of a run lie in its memory: byte offsets, multiples of 16. */
export interface ColumnLayout {
  readonly sampleCount: number
  /** f32, as variance and lastLoss */
  readonly mean: number
  readonly variance: number
  readonly lastLoss: number
  /** u16, as timesKept */
  readonly observations: number
  readonly timesKept: number
  readonly metrics: readonly number[]
  /** A bit for each sample: whether it has its loss of the epoch. */
  readonly observed: number
  /** Room for as much, which a selection is put together in. */
  readonly selection: number
  /** Room for the indices and losses of BATCH_SAMPLES. */
  readonly batch: number
  /** All of it. */
  readonly bytes: number
}

/** Losses that are taken in at once. */
export const BATCH_SAMPLES = 0x1000

/** Bytes at the start of a memory that belong to what computes on it. */
export const SCRATCH_BYTES = 0x90000

/** Most bytes of a memory: WebAssembly's own limit. */
export const MAX_MEMORY_BYTES = 2 ** 32

/** The layout of so many samples with so many metrics. */
export function columnLayout(sampleCount: number, metricCount: number): ColumnLayout {
  let end = SCRATCH_BYTES
  const reserve = (bytes: number) => {
    const offset = end
    end += 16 * Math.ceil(bytes / 16)
    return offset
  }
  const [mean, variance, lastLoss] = [reserve(4 * sampleCount), reserve(4 * sampleCount), reserve(4 * sampleCount)]
  const [observations, timesKept] = [reserve(2 * sampleCount), reserve(2 * sampleCount)]
  const metrics = Array.from({ length: metricCount }, () => reserve(4 * sampleCount))
  const [observed, selection] = [reserve(bitBytes(sampleCount)), reserve(bitBytes(sampleCount))]
  const batch = reserve(8 * BATCH_SAMPLES)
  const columns = { mean, variance, lastLoss, observations, timesKept, metrics }
  return { sampleCount, ...columns, observed, selection, batch, bytes: end }
}

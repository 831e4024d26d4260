import { Zip, ZipDeflate, ZipPassThrough } from 'fflate'
import { dump } from 'npyjs'
import { failure } from '../command-error.js'
import type { SampleStatistics, StatisticsChunk } from './read-statistics.js'
import { classify, type columns, type MetricColumn, metricColumn } from './sample-row.js'

type Column = (typeof columns)[number]
type Values = Uint32Array | Float32Array

/** The column `kept` takes 36 bytes a sample, and no file in an archive of this kind can have 4 GiB. */
const maxSamples = 100_000_000

/** The longest value of `kept`; numpy pads the others with zeros. */
const keptLength = 'sometimes'.length

/**
 * An archive of NumPy arrays, as numpy.savez writes it, one array a column. A loss or metric that is not known is NaN, and `kept` then is ''.
 * An array stands in one piece, so all of them are held until the last sample has come: 20 bytes a sample, and 4 for each metric.
 */
export async function* toNpz({
  run,
  metrics: names,
  chunks,
}: SampleStatistics): AsyncGenerator<Uint8Array, void, void> {
  const { sampleCount } = run.settings
  if (sampleCount > maxSamples) {
    throw failure(`npz holds at most ${maxSamples} samples and the run has ${sampleCount}: take --format parquet`)
  }
  const held: StatisticsChunk[] = []
  for await (const chunk of chunks) held.push(chunk)

  const loss = (values: (chunk: StatisticsChunk) => Float32Array) => (chunk: StatisticsChunk) =>
    values(chunk).map((value, i) => (chunk.timesReported[i] === 0 ? Number.NaN : value))
  const arrays: Readonly<Record<Column | MetricColumn, (chunk: StatisticsChunk) => Values>> = {
    index: ({ startIndex, means }) => Uint32Array.from(means, (_, i) => startIndex + i),
    mean: loss(({ means }) => means),
    variance: loss(({ variances }) => variances),
    last_loss: loss(({ lastLosses }) => lastLosses),
    times_reported: ({ timesReported }) => timesReported,
    times_kept: ({ timesKept }) => timesKept,
    kept: ({ timesKept }) => keptTexts(timesKept, run.progress.selections),
    ...Object.fromEntries(
      names.map((metric) => [metricColumn(metric), ({ metrics }: StatisticsChunk) => metrics[metric] as Float32Array]),
    ),
  }

  let ready: Uint8Array[] = []
  const archive = new Zip((error, bytes) => {
    if (error) throw error
    ready.push(bytes)
  })
  const takeReady = () => {
    const taken = ready
    ready = []
    return taken
  }
  for (const [name, values] of Object.entries(arrays)) {
    const file = name === 'kept' ? new ZipDeflate(`${name}.npy`, { level: 1 }) : new ZipPassThrough(`${name}.npy`)
    archive.add(file)
    file.push(npyHeader(name, sampleCount))
    for (const chunk of held) {
      const { buffer, byteOffset, byteLength } = values(chunk)
      file.push(new Uint8Array(buffer, byteOffset, byteLength))
      yield* takeReady()
    }
    file.push(new Uint8Array(0), true)
  }
  archive.end()
  yield* takeReady()
}

/** The beginning of an array's file; the values follow as they lie in memory. */
function npyHeader(name: string, length: number): Uint8Array {
  if (name === 'kept') return new Uint8Array(dump(new Uint32Array(0), [length], { dtype: `U${keptLength}` }))
  const isCount = name === 'index' || name.startsWith('times_')
  return new Uint8Array(dump(isCount ? new Uint32Array(0) : new Float32Array(0), [length]))
}

/** Texts as NumPy lays them out: code points of 4 bytes, every text as long as the longest. */
function keptTexts(timesKept: Uint32Array, selections: number): Uint32Array {
  const codes = new Map(
    ([undefined, 'always', 'sometimes', 'never'] as const).map((kept) => [
      kept,
      Uint32Array.from(kept ?? '', (letter) => letter.charCodeAt(0)),
    ]),
  )
  const texts = new Uint32Array(timesKept.length * keptLength)
  timesKept.forEach((times, i) => {
    texts.set(codes.get(classify(times, selections)) ?? [], i * keptLength)
  })
  return texts
}

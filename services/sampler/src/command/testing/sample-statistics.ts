import type { StatisticsPart } from '@keepset/client'
import type { SampleStatistics, StatisticsChunk } from '../statistics/read-statistics.js'
import { runInfo, streamOf } from './fake-command.js'

type PlainSample = readonly [mean: number, variance: number, lastLoss: number, timesReported: number, timesKept: number]

/** Samples that show every case: reported and not; kept always, sometimes and never of 6 selections. */
export const samples: readonly PlainSample[] = [
  [0.1, 0.25, 1 / 3, 3, 6],
  [0, 0, 0, 0, 0],
  [2, 1e-7, 12.5, 1, 1],
]

/** A chunk of samples, with these values of metrics. */
export function chunkOf(
  rows: readonly PlainSample[],
  startIndex = 0,
  metrics: Readonly<Record<string, readonly number[]>> = {},
): StatisticsChunk {
  const column = (at: number) => rows.map((row) => row[at] as number)
  return {
    kind: 'chunk',
    startIndex,
    means: Float32Array.from(column(0)),
    variances: Float32Array.from(column(1)),
    lastLosses: Float32Array.from(column(2)),
    timesReported: Uint32Array.from(column(3)),
    timesKept: Uint32Array.from(column(4)),
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, Float32Array.from(values)])),
  }
}

/** Statistics of the samples of some chunks, with the metrics of the first, after 6 selections unless told otherwise. */
export function statisticsOf(chunks: readonly StatisticsChunk[], selections = 6): SampleStatistics {
  const sampleCount = chunks.reduce((sum, { means }) => sum + means.length, 0)
  const metrics = Object.keys(chunks[0]?.metrics ?? {})
  return { run: runInfo({ settings: { sampleCount }, progress: { selections } }), metrics, chunks: streamOf(...chunks) }
}

/** The same as a sampler streams them. */
export async function* partsOf({ run, chunks }: SampleStatistics): AsyncGenerator<StatisticsPart, void, void> {
  yield { kind: 'run', run }
  yield* chunks
  yield { kind: 'summary', always: 1, sometimes: 1, never: 1 }
}

/** All pieces of a text as one. */
export async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of pieces) text += piece
  return text
}

/** All pieces of bytes as one. */
export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return new Uint8Array(Buffer.concat(all))
}

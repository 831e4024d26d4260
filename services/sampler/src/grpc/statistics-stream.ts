import type { ServerWritableStream } from '@grpc/grpc-js'
import type { StatisticsSummary, StreamStatisticsRequest, StreamStatisticsResponse } from '@keepset/proto'
import { columnNames } from '../runs/run-spec.js'
import type { StatisticsReading } from '../runs/statistics-reading.js'
import { writeRun, writeStatisticsChunk } from './mapping.js'
import { writeMessage } from './write-message.js'

type StatisticsCall = ServerWritableStream<StreamStatisticsRequest, StreamStatisticsResponse>

/** Bytes of a chunk, and of a sample in its five arrays and in each metric: 50,000 samples without metrics. */
const CHUNK_BYTES = 1_000_000
const SAMPLE_BYTES = 20
const METRIC_BYTES = 4

/** Where `timesKept` stays. */
const MAX_TIMES_KEPT = 0xffff

/** Counts the samples that `selections` selections kept always, sometimes and never, chunk by chunk. */
class SummaryCount {
  readonly #selections: number
  readonly #counts: StatisticsSummary = { alwaysCount: 0, sometimesCount: 0, neverCount: 0 }

  constructor(selections: number) {
    this.#selections = Math.min(selections, MAX_TIMES_KEPT)
  }

  get summary(): StatisticsSummary {
    return this.#counts
  }

  add(timesKept: Uint16Array): void {
    if (this.#selections === 0) return
    let always = 0
    let never = 0
    for (const times of timesKept) {
      if (times >= this.#selections) always++
      else if (times === 0) never++
    }
    this.#counts.alwaysCount += always
    this.#counts.neverCount += never
    this.#counts.sometimesCount += timesKept.length - always - never
  }
}

/** Writes the run, its samples in chunks, and the summary; then, or when `signal` aborts, lets go of the reading. */
export async function writeStatistics(
  call: StatisticsCall,
  reading: StatisticsReading,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { facts } = reading
    const count = new SummaryCount(facts.progress.selections)
    await writeMessage(call, { part: { $case: 'run', value: writeRun(facts) } }, signal)
    const sampleBytes = SAMPLE_BYTES + METRIC_BYTES * columnNames(facts.spec).length
    for (const chunk of reading.chunks(Math.floor(CHUNK_BYTES / sampleBytes))) {
      count.add(chunk.timesKept)
      await writeMessage(call, { part: { $case: 'chunk', value: writeStatisticsChunk(chunk) } }, signal)
    }
    await writeMessage(call, { part: { $case: 'summary', value: count.summary } }, signal)
  } finally {
    reading.release()
  }
}

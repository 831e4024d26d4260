import type { RunInfo, StatisticsPart } from '@keepset/client'

/** Statistics of consecutive samples. */
export type StatisticsChunk = Extract<StatisticsPart, { kind: 'chunk' }>

/** How many samples the selections kept always, sometimes and never. */
export type StatisticsSummary = Extract<StatisticsPart, { kind: 'summary' }>

/** What is known of each sample of a run, at one moment. */
export interface SampleStatistics {
  /** The run at that moment. */
  readonly run: RunInfo
  /** Names of the metrics that each chunk has: those of the run, then the columns that its policy keeps. */
  readonly metrics: readonly string[]
  /** Every sample once, in the order of the indices. To be read once. */
  readonly chunks: AsyncIterable<StatisticsChunk>
}

/** The same, with the counts over all samples. */
export interface Statistics extends SampleStatistics {
  /** Set when `chunks` has been read to its end. */
  readonly summary: StatisticsSummary | undefined
}

/** Sorts the parts that the client has checked to be whole and in their order; holds no more than one of them. */
export async function readStatistics(parts: AsyncIterable<StatisticsPart>): Promise<Statistics> {
  const iterator = parts[Symbol.asyncIterator]()
  const first = (await iterator.next()).value as StatisticsPart
  if (first.kind !== 'run') throw new Error(`the statistics begin with a ${first.kind}`)
  let next = await iterator.next()
  const statistics: Statistics & { summary: StatisticsSummary | undefined } = {
    run: first.run,
    metrics: next.value?.kind === 'chunk' ? Object.keys(next.value.metrics) : [],
    chunks: readChunks(),
    summary: undefined,
  }
  return statistics

  async function* readChunks(): AsyncGenerator<StatisticsChunk, void, void> {
    try {
      for (; !next.done; next = await iterator.next()) {
        if (next.value.kind === 'chunk') yield next.value
        else if (next.value.kind === 'summary') statistics.summary = next.value
      }
    } finally {
      await iterator.return?.()
    }
  }
}

import type { RunInfo, StatisticsPart } from '@keepset/client'

/** Statistics of consecutive samples. */
export type StatisticsChunk = Extract<StatisticsPart, { kind: 'chunk' }>

/** How many samples the selections kept always, sometimes and never. */
export type StatisticsSummary = Extract<StatisticsPart, { kind: 'summary' }>

/** What is known of each sample of a run, at one moment. */
export interface SampleStatistics {
  /** The run at that moment. */
  readonly run: RunInfo
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
  const statistics: Statistics & { summary: StatisticsSummary | undefined } = {
    run: first.run,
    chunks: readChunks(),
    summary: undefined,
  }
  return statistics

  async function* readChunks(): AsyncGenerator<StatisticsChunk, void, void> {
    for await (const part of { [Symbol.asyncIterator]: () => iterator }) {
      if (part.kind === 'chunk') yield part
      else if (part.kind === 'summary') statistics.summary = part
    }
  }
}

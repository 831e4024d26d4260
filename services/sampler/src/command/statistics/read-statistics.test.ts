import { expect, it } from 'vitest'
import { streamOf } from '../testing/fake-command.js'
import { chunkOf, partsOf, samples, statisticsOf } from '../testing/sample-statistics.js'
import { readStatistics, type StatisticsChunk } from './read-statistics.js'

async function chunksOf(chunks: AsyncIterable<StatisticsChunk>): Promise<StatisticsChunk[]> {
  const all: StatisticsChunk[] = []
  for await (const chunk of chunks) all.push(chunk)
  return all
}

it('sorts the parts, and names the columns that the policy keeps after the metrics of the run', async () => {
  const chunks = [0, 3].map((start) => chunkOf(samples, start, { correct: [1, 0, 1], forgetting_state: [3, -1, 1] }))
  const { run } = statisticsOf(chunks)
  const statistics = await readStatistics(partsOf({ run, metrics: [], chunks: streamOf(...chunks) }))
  expect(statistics.run).toBe(run)
  expect(statistics.metrics).toEqual(['correct', 'forgetting_state'])
  expect(await chunksOf(statistics.chunks)).toEqual(chunks)
  expect(statistics.summary).toMatchObject({ always: 1, sometimes: 1, never: 1 })
})

it('lets go of the stream when nobody reads on', async () => {
  const parts = partsOf(statisticsOf([chunkOf(samples), chunkOf(samples, 3)]))
  const { chunks } = await readStatistics(parts)
  for await (const { startIndex } of chunks) {
    expect(startIndex).toBe(0)
    break
  }
  expect(await parts.next()).toEqual({ done: true, value: undefined })
})

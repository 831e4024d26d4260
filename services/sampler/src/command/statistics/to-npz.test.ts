import { unzipSync } from 'fflate'
import { parse } from 'npyjs'
import { expect, it } from 'vitest'
import { bytesOf, chunkOf, samples, statisticsOf } from '../testing/sample-statistics.js'
import type { SampleStatistics } from './read-statistics.js'
import { toNpz } from './to-npz.js'

/** The arrays of an archive by their names. */
async function arraysOf(statistics: SampleStatistics) {
  const files = unzipSync(await bytesOf(toNpz(statistics)))
  return Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => {
      const { data, dtype, shape } = parse(bytes.slice().buffer)
      return [name, { data: [...(data as unknown as Iterable<unknown>)], dtype, shape }]
    }),
  )
}

it('writes an array a column, over all chunks, with NaN for what is not known', async () => {
  const chunks = [chunkOf(samples.slice(0, 2)), chunkOf(samples.slice(2), 2)]
  const u4 = { dtype: 'u4', shape: [3] }
  const f4 = { dtype: 'f4', shape: [3] }
  expect(await arraysOf(statisticsOf(chunks))).toEqual({
    'index.npy': { ...u4, data: [0, 1, 2] },
    'mean.npy': { ...f4, data: [Math.fround(0.1), Number.NaN, 2] },
    'variance.npy': { ...f4, data: [0.25, Number.NaN, Math.fround(1e-7)] },
    'last_loss.npy': { ...f4, data: [Math.fround(1 / 3), Number.NaN, 12.5] },
    'times_reported.npy': { ...u4, data: [3, 0, 1] },
    'times_kept.npy': { ...u4, data: [6, 0, 1] },
    'kept.npy': { dtype: 'U9', shape: [3], data: ['always', 'never', 'sometimes'] },
  })
})

it('has an array for each metric, NaN where none was reported', async () => {
  const chunks = [
    chunkOf(samples.slice(0, 2), 0, { correct: [1, Number.NaN] }),
    chunkOf(samples.slice(2), 2, { correct: [0.5] }),
  ]
  const arrays = await arraysOf(statisticsOf(chunks))
  expect(arrays['metric_correct.npy']).toEqual({ dtype: 'f4', shape: [3], data: [1, Number.NaN, 0.5] })
  expect(Object.keys(arrays).at(-1)).toBe('metric_correct.npy')
})

it('writes empty texts for `kept` while nothing was selected', async () => {
  const arrays = await arraysOf(statisticsOf([chunkOf([[1, 0, 1, 1, 0]])], 0))
  expect(arrays['kept.npy']).toEqual({ dtype: 'U9', shape: [1], data: [''] })
})

it('refuses more samples than an archive can hold before it takes any', async () => {
  const { run } = statisticsOf([])
  let taken = false
  const chunks = (async function* () {
    taken = true
    yield chunkOf(samples)
  })()
  const large = { run: { ...run, settings: { ...run.settings, sampleCount: 100_000_001 } }, metrics: [], chunks }
  await expect(bytesOf(toNpz(large))).rejects.toThrow(
    'npz holds at most 100000000 samples and the run has 100000001: take --format parquet',
  )
  expect(taken).toBe(false)
})

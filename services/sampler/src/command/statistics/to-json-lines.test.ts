import { expect, it } from 'vitest'
import { chunkOf, samples, statisticsOf, textOf } from '../testing/sample-statistics.js'
import { toJsonLines } from './to-json-lines.js'

it('writes an object a line, with null for what is not known', async () => {
  const chunks = [chunkOf(samples.slice(0, 2)), chunkOf(samples.slice(2), 2)]
  expect(await textOf(toJsonLines(statisticsOf(chunks)))).toBe(
    `{"index":0,"mean":0.1,"variance":0.25,"last_loss":0.33333334,"times_reported":3,"times_kept":6,"kept":"always"}
{"index":1,"mean":null,"variance":null,"last_loss":null,"times_reported":0,"times_kept":0,"kept":"never"}
{"index":2,"mean":2,"variance":1e-7,"last_loss":12.5,"times_reported":1,"times_kept":1,"kept":"sometimes"}
`,
  )
})

it('has a key for each metric, null where none was reported', async () => {
  const metrics = { correct: [1, Number.NaN, 0] }
  const text = await textOf(toJsonLines(statisticsOf([chunkOf(samples, 0, metrics)])))
  const rows = text.trimEnd().split('\n')
  expect(rows.map((row) => JSON.parse(row).metric_correct)).toEqual([1, null, 0])
})

it('writes null for `kept` while nothing was selected', async () => {
  const text = await textOf(toJsonLines(statisticsOf([chunkOf([[1, 0, 1, 1, 0]])], 0)))
  expect(JSON.parse(text)).toMatchObject({ mean: 1, times_kept: 0, kept: null })
})

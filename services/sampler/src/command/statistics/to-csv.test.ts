import { expect, it } from 'vitest'
import { chunkOf, samples, statisticsOf, textOf } from '../testing/sample-statistics.js'
import { toCsv } from './to-csv.js'

const header = 'index,mean,variance,last_loss,times_reported,times_kept,kept\n'

it('writes a line of names and a line a sample, with nothing for what is not known', async () => {
  const chunks = [chunkOf(samples), chunkOf(samples.slice(1), 3)]
  expect(await textOf(toCsv(statisticsOf(chunks)))).toBe(
    [
      header,
      '0,0.1,0.25,0.33333334,3,6,always\n',
      '1,,,,0,0,never\n',
      '2,2,1e-7,12.5,1,1,sometimes\n',
      '3,,,,0,0,never\n',
      '4,2,1e-7,12.5,1,1,sometimes\n',
    ].join(''),
  )
})

it('leaves `kept` empty while nothing was selected', async () => {
  const zero: (typeof samples)[number] = [0, 0, 0, 0, 0]
  expect(await textOf(toCsv(statisticsOf([chunkOf([zero])], 0)))).toBe(`${header}0,,,,0,0,\n`)
})

it('has a column for each metric after the others, with nothing where none was reported', async () => {
  const metrics = { correct: [1, Number.NaN, 0], margin: [0.1, 0.25, Number.NaN] }
  expect(await textOf(toCsv(statisticsOf([chunkOf(samples, 0, metrics)])))).toBe(
    [
      'index,mean,variance,last_loss,times_reported,times_kept,kept,metric_correct,metric_margin\n',
      '0,0.1,0.25,0.33333334,3,6,always,1,0.1\n',
      '1,,,,0,0,never,,0.25\n',
      '2,2,1e-7,12.5,1,1,sometimes,0,\n',
    ].join(''),
  )
})

it('gives a chunk before it takes the next one', async () => {
  let taken = 0
  const { run } = statisticsOf([])
  const chunks = (async function* () {
    for (; taken < 3; taken++) yield chunkOf(samples)
  })()
  const pieces = toCsv({ run, metrics: [], chunks })
  await pieces.next()
  expect(taken).toBe(0)
  await pieces.next()
  await pieces.next()
  expect(taken).toBe(1)
})

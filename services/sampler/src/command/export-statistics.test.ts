import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportStatistics } from './export-statistics.js'
import { fakeCommand, runInfo, streamOf } from './testing/fake-command.js'
import { chunkOf, partsOf, samples, statisticsOf } from './testing/sample-statistics.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-statistics-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function statisticsCommand(selections = 6, isTTY = false) {
  const client = { streamStatistics: () => partsOf(statisticsOf([chunkOf(samples)], selections)) }
  return fakeCommand({ isTTY, client })
}

describe('exportStatistics', () => {
  it('writes CSV to standard output unless told otherwise, on a terminal too', async () => {
    const { context, stdout } = statisticsCommand(6, true)
    await exportStatistics(context, 'demo', { output: '-' })
    expect(stdout()).toMatch(/^index,mean,[^\n]*\n0,0\.1,0\.25,0\.33333334,3,6,always\n1,,,,0,0,never\n2,.*\n$/)
  })

  it.each([
    ['csv', /^index,/],
    ['jsonl', /^\{"index":0,/],
    ['parquet', /^PAR1/],
    ['npz', /^PK/],
  ] as const)('takes the format %s from the ending of the file, or from --format', async (format, beginning) => {
    const { context, stdout } = statisticsCommand()
    const output = join(folder, `statistics.${format}`)
    await exportStatistics(context, 'demo', { output })
    expect(readFileSync(output, 'latin1')).toMatch(beginning)

    const other = join(folder, 'statistics.txt')
    await exportStatistics(statisticsCommand().context, 'demo', { output: other, format })
    expect(readFileSync(other, 'latin1')).toMatch(beginning)
    expect(stdout()).toBe('')
  })

  it('has the columns that the policy keeps beside the metrics of the run', async () => {
    const run = runInfo({ settings: { sampleCount: 3, metrics: ['correct'] } })
    const chunk = chunkOf(samples, 0, { correct: [1, 0, 1], forgetting_state: [3, -1, Number.NaN] })
    const client = { streamStatistics: () => partsOf({ run, metrics: [], chunks: streamOf(chunk) }) }
    const { context, stdout } = fakeCommand({ client })
    await exportStatistics(context, 'demo', { output: '-' })
    expect(stdout()).toMatch(/,kept,metric_correct,metric_forgetting_state\n0,.*,1,3\n1,.*,0,-1\n2,.*,1,\n$/)
  })

  it('takes CSV where the ending names no format', async () => {
    const output = join(folder, 'statistics.toString')
    await exportStatistics(statisticsCommand().context, 'demo', { output })
    expect(readFileSync(output, 'utf8')).toMatch(/^index,/)
  })

  it.each(['parquet', 'npz'] as const)('refuses %s for a terminal', async (format) => {
    const { context } = statisticsCommand(6, true)
    await expect(exportStatistics(context, 'demo', { output: '-', format })).rejects.toMatchObject({ exitCode: 2 })
  })

  it.each([
    [6, 'kept always 1, sometimes 1, never 1'],
    [0, 'nothing was selected yet'],
  ])('says on standard error what it wrote, after %d selections', async (selections, kept) => {
    const { context, stderr } = statisticsCommand(selections)
    const output = join(folder, 'statistics.csv')
    await exportStatistics(context, 'demo', { output })
    expect(stderr()).toBe(`wrote the statistics of 3 samples of run demo to ${output}: ${kept}\n`)
  })

  it('shows on a terminal how far it is', async () => {
    const { context, stderr } = statisticsCommand(6, true)
    await exportStatistics(context, 'demo', { output: join(folder, 'statistics.npz') })
    expect(stderr()).toMatch(/^\r3 of 3 samples\r *\rwrote the statistics/)
  })
})

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, connect, epsilonGreedy, type StatisticsPart } from '@keepset/client'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toParquet } from '../../../services/sampler/src/command/statistics/to-parquet.js'
import {
  bytesOf,
  chunkOf,
  samples,
  statisticsOf,
} from '../../../services/sampler/src/command/testing/sample-statistics.js'
import { TestSampler } from '../../support/test-sampler.js'
import { lossOf } from '../client/train.js'
import { runCommand } from './run-command.js'

/** More than a chunk of the sampler's, so that there are several. */
const sampleCount = 60_000
/** Samples that the trainer reports; the others are never seen. */
const reportedCount = 50_500

let folder: string
let sampler: TestSampler
let client: Client
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-statistics-'))
  sampler = await TestSampler.start()
  client = connect(sampler.address)
  const settings = {
    sampleCount,
    policy: epsilonGreedy({ epsilon: 0.5 }),
    pruneRate: 0.5,
    epochs: 6,
    selectionPeriod: 1,
  }
  await client.createRun({ ...settings, runId: 'fresh' })
  const run = await client.createRun({ ...settings, runId: 'demo', metrics: ['correct', 'mean'] })
  for (let epoch = 0; epoch < 4; epoch++) {
    const plan = await run.planEpoch(epoch)
    for await (const batch of plan.batches(2048)) {
      const indices = batch.indices.filter((index) => index < reportedCount)
      if (indices.length === 0) continue
      plan.report(
        { ...batch, indices },
        Array.from(indices, (index) => lossOf(index, epoch)),
        { mean: Array.from(indices, (index) => (index % 3 === 0 ? Number.NaN : index / 7)) },
      )
    }
  }
  await run.flush()
})
afterAll(async () => {
  client.close()
  await sampler.stop()
  rmSync(folder, { recursive: true })
})

interface Row {
  readonly index: number
  readonly mean: number | null
  readonly variance: number | null
  readonly last_loss: number | null
  readonly times_reported: number
  readonly times_kept: number
  readonly kept: string | null
  [metric: `metric_${string}`]: number | null
}

/** What the sampler says of each sample, without the command. */
async function expectedRows(runId: string): Promise<Row[]> {
  const rows: Row[] = []
  let selections = 0
  for await (const part of client.streamStatistics(runId)) {
    if (part.kind === 'run') selections = part.run.progress.selections
    if (part.kind === 'chunk') rows.push(...rowsOf(part, selections))
  }
  return rows
}

function rowsOf(chunk: Extract<StatisticsPart, { kind: 'chunk' }>, selections: number): Row[] {
  return Array.from(chunk.timesReported, (times_reported, i) => {
    const times_kept = chunk.timesKept[i] as number
    const kept = times_kept === 0 ? 'never' : times_kept === selections ? 'always' : 'sometimes'
    const loss = (values: Float32Array) => (times_reported === 0 ? null : (values[i] as number))
    return {
      index: chunk.startIndex + i,
      mean: loss(chunk.means),
      variance: loss(chunk.variances),
      last_loss: loss(chunk.lastLosses),
      times_reported,
      times_kept,
      kept: selections === 0 ? null : kept,
      ...Object.fromEntries(
        Object.entries(chunk.metrics).map(([name, values]) => {
          const value = values[i] as number
          return [`metric_${name}`, Number.isNaN(value) ? null : value]
        }),
      ),
    }
  })
}

const round = (value: number | null) => (value === null ? null : Math.fround(value))
const toF32 = (row: Row): Row => ({
  ...row,
  mean: round(row.mean),
  variance: round(row.variance),
  last_loss: round(row.last_loss),
  ...('metric_mean' in row ? { metric_mean: round(row.metric_mean ?? null) } : {}),
})

function parseCsv(text: string): Row[] {
  const [head = '', ...lines] = text.trimEnd().split('\n')
  const names = head.split(',')
  return lines.map((line) => {
    const cells = line.split(',').map((cell, i) => {
      if (cell === '') return null
      return names[i] === 'kept' ? cell : Number(cell)
    })
    return Object.fromEntries(names.map((name, i) => [name, cells[i]])) as unknown as Row
  })
}

async function parseParquet(bytes: Uint8Array): Promise<Row[]> {
  const file = new Uint8Array(bytes).buffer
  const rows = await parquetReadObjects({ file })
  return rows.map((row) => row as unknown as Row)
}

const parsers: Readonly<Record<string, (bytes: Buffer) => Row[] | Promise<Row[]>>> = {
  csv: (bytes) => parseCsv(String(bytes)),
  jsonl: (bytes) =>
    String(bytes)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row),
  parquet: parseParquet,
}

const statistics = (...args: string[]) => runCommand(['statistics', ...args, '--address', sampler.address])

describe('keepset runs statistics', () => {
  it.each(['csv', 'jsonl', 'parquet'])('%s reads back as what the sampler says', async (format) => {
    const { code, stdout, stderr } = await statistics('demo', '--format', format)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const rows = (await parsers[format]?.(stdout)) ?? []
    const expected = await expectedRows('demo')
    expect(rows.map(toF32)).toEqual(expected)
    expect(expected.filter(({ mean }) => mean === null).length).toBe(sampleCount - reportedCount)
    expect(new Set(expected.map(({ kept }) => kept))).toEqual(new Set(['always', 'sometimes', 'never']))
    expect([2, 3, 60].map((index) => expected[index]?.metric_mean)).toEqual([Math.fround(2 / 7), null, null])
    expect(expected.every(({ metric_correct }) => metric_correct === null)).toBe(true)
  })

  it.each(['csv', 'jsonl', 'parquet'])('%s of a run without plans and reports has every sample', async (format) => {
    const { code, stdout } = await statistics('fresh', '--format', format)
    expect(code).toBe(0)
    const rows = (await parsers[format]?.(stdout)) ?? []
    expect(rows).toEqual(
      Array.from({ length: sampleCount }, (_, index) => ({
        index,
        mean: null,
        variance: null,
        last_loss: null,
        times_reported: 0,
        times_kept: 0,
        kept: null,
      })),
    )
  })

  it('writes npz and counts what was kept', async () => {
    const output = join(folder, 'demo.npz')
    const { code, stderr } = await statistics('demo', '--output', output)
    expect(code).toBe(0)
    const counts: Record<string, number> = { always: 0, sometimes: 0, never: 0 }
    for (const { kept } of await expectedRows('demo')) counts[kept as string] = (counts[kept as string] ?? 0) + 1
    const count = (kept: string) => (counts[kept] as number).toLocaleString('en')
    expect(stderr).toBe(
      `wrote the statistics of 60,000 samples of run demo to ${output}: ` +
        `kept always ${count('always')}, sometimes ${count('sometimes')}, never ${count('never')}\n`,
    )
    expect(readFileSync(output, 'latin1')).toMatch(/^PK/)
  })
})

describe('toParquet', () => {
  it('names the types, and writes a row group whenever there are samples enough', async () => {
    const rows = Array.from({ length: 90_000 }, (_, i) => samples[i % samples.length] as (typeof samples)[number])
    const chunks = Array.from({ length: 5 }, (_, i) => chunkOf(rows, i * rows.length))
    const bytes = await bytesOf(toParquet(statisticsOf(chunks)))
    const { schema, row_groups, num_rows } = parquetMetadata(bytes.buffer)
    expect(num_rows).toBe(450_000n)
    expect(row_groups.map((group) => group.num_rows)).toEqual([270_000n, 180_000n])
    expect(
      schema
        .slice(1)
        .map(({ name, type, converted_type, repetition_type }) => [name, type, converted_type, repetition_type]),
    ).toEqual([
      ['index', 'INT32', 'UINT_32', 'REQUIRED'],
      ['mean', 'FLOAT', undefined, 'OPTIONAL'],
      ['variance', 'FLOAT', undefined, 'OPTIONAL'],
      ['last_loss', 'FLOAT', undefined, 'OPTIONAL'],
      ['times_reported', 'INT32', 'UINT_32', 'REQUIRED'],
      ['times_kept', 'INT32', 'UINT_32', 'REQUIRED'],
      ['kept', 'BYTE_ARRAY', 'UTF8', 'OPTIONAL'],
    ])
    expect((await parseParquet(bytes)).at(-1)).toEqual({
      index: 449_999,
      mean: 2,
      variance: Math.fround(1e-7),
      last_loss: 12.5,
      times_reported: 1,
      times_kept: 1,
      kept: 'sometimes',
    })
  })

  it('has a column for each metric, null where none was reported', async () => {
    const metrics = { correct: [1, Number.NaN, 0], index: [0.5, 0.25, Number.NaN] }
    const bytes = await bytesOf(toParquet(statisticsOf([chunkOf(samples, 0, metrics)])))
    const { schema } = parquetMetadata(bytes.buffer)
    expect(schema.slice(-2).map(({ name, type, repetition_type }) => [name, type, repetition_type])).toEqual([
      ['metric_correct', 'FLOAT', 'OPTIONAL'],
      ['metric_index', 'FLOAT', 'OPTIONAL'],
    ])
    const rows = await parseParquet(bytes)
    expect(rows.map(({ metric_correct, metric_index }) => [metric_correct, metric_index])).toEqual([
      [1, 0.5],
      [null, 0.25],
      [0, null],
    ])
  })

  it('writes indices above those of a signed number', async () => {
    const bytes = await bytesOf(toParquet(statisticsOf([chunkOf(samples, 2 ** 31 - 1)])))
    expect((await parseParquet(bytes)).map(({ index }) => index)).toEqual([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1])
  })
})

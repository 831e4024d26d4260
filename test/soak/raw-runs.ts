import { createHash } from 'node:crypto'
import {
  type ImportRunResponse,
  type Run,
  type RunProgress,
  RunServiceService,
  type StatisticsChunk,
  type StatisticsSummary,
  type RunState as WireState,
} from '@keepset/proto'
import { ask, collect } from '../support/calls.js'
import type { SamplerStubs } from '../support/test-sampler.js'

/** All that a sampler tells of a run, but for its name and its times. */
export interface RunState {
  readonly state: WireState
  readonly nextEpoch: number
  readonly generation: number
  readonly epochStarts: readonly number[]
  readonly progress: RunProgress | undefined
  /** SHA-256 of the statistics of all samples, bit for bit. */
  readonly statistics: string
  readonly summary: StatisticsSummary | undefined
}

const COLUMNS = ['means', 'variances', 'lastLosses', 'timesReported', 'timesKept'] as const

/** One hash for all columns, whatever the chunks they came in. */
function hashStatistics(chunks: readonly StatisticsChunk[]): string {
  const hash = createHash('sha256')
  for (const column of COLUMNS) for (const chunk of chunks) hash.update(chunk[column])
  const metrics = chunks[0]?.metrics ?? []
  for (const metric of metrics.keys()) for (const chunk of chunks) hash.update(chunk.metrics[metric]?.values ?? '')
  return hash.digest('hex')
}

/** Reads the run and its statistics, of one moment. */
export async function readState(stubs: SamplerStubs, runId: string): Promise<RunState> {
  let run: Run | undefined
  let summary: StatisticsSummary | undefined
  const chunks: StatisticsChunk[] = []
  for (const { part } of await collect(stubs.runs.streamStatistics({ runId }))) {
    if (part?.$case === 'run') run = part.value
    else if (part?.$case === 'summary') summary = part.value
    else if (part) chunks.push(part.value)
  }
  if (!run) throw new Error(`the statistics of "${runId}" came without their run`)
  const { state, nextEpoch, generation, epochStarts, progress } = run
  return { state, nextEpoch, generation, epochStarts, progress, statistics: hashStatistics(chunks), summary }
}

/** The run_ids of all runs (at most 1000), and of those that are damaged. */
export async function listRuns(stubs: SamplerStubs): Promise<{ runIds: string[]; damaged: string[] }> {
  const { runs, damagedRunIds } = await ask(stubs.runs, RunServiceService.listRuns, { pageSize: 1000, pageToken: '' })
  return { runIds: runs.map(({ runId }) => runId), damaged: damagedRunIds }
}

export async function rewindRun(stubs: SamplerStubs, runId: string, epoch: number, generation: number): Promise<void> {
  await ask(stubs.runs, RunServiceService.rewindRun, { runId, epoch, generation })
}

export async function exportRun(stubs: SamplerStubs, runId: string): Promise<Uint8Array[]> {
  return (await collect(stubs.runs.exportRun({ runId }))).map(({ chunk }) => chunk)
}

export function importRun(stubs: SamplerStubs, runId: string, chunks: readonly Uint8Array[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = stubs.runs.importRun((error: Error | null, _: ImportRunResponse) =>
      error ? reject(error) : resolve(),
    )
    for (const chunk of chunks) call.write({ runId, chunk: Buffer.from(chunk) })
    call.end()
  })
}

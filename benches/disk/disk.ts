import { join } from 'node:path'
import { requestedSpec } from '../../services/sampler/src/runs/testing/requested-spec.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { bytesOf } from '../support/data-dir.js'
import { closeRuns, openRuns, planEpoch, snapshotSaved } from '../support/in-process.js'
import { reportEpoch } from '../support/report-epoch.js'
import { short, table } from '../support/table.js'

const BATCH_SIZES = [128, 256, 1024]
const EPOCHS = 6

/** Bytes on disk at the end of an epoch. */
interface Row {
  readonly batchSize: number
  readonly epoch: number
  /** Of the journal, for each observation that is in it: those of the epoch. */
  readonly journalPerObservation: number
  /** Of the whole data folder: journal, snapshots and kept epoch starts. */
  readonly folderPerSample: number
  readonly folderPerObservationOfEpoch: number
  readonly folderPerObservationOfRun: number
}

async function measureRun(dataDir: string, batchSize: number, sampleCount: number, seed: number): Promise<Row[]> {
  const runs = await openRuns(dataDir)
  const spec = requestedSpec({ sampleCount, seed: BigInt(seed), pruneRate: 0.5, selectionPeriod: 1 })
  await runs.create('bench', spec)
  const owner = await runs.owner('bench')
  const rows: Row[] = []
  let all = 0
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const observations = (await reportEpoch(owner, await planEpoch(owner, epoch, 1), batchSize)) * batchSize
    all += observations
    await snapshotSaved(owner)
    const folder = await bytesOf(dataDir, '')
    rows.push({
      batchSize,
      epoch,
      journalPerObservation: (await bytesOf(dataDir, '.journal')) / observations,
      folderPerSample: folder / sampleCount,
      folderPerObservationOfEpoch: folder / observations,
      folderPerObservationOfRun: folder / all,
    })
  }
  await closeRuns(runs)
  return rows
}

/** How many bytes a run takes on disk. */
export const disk: Bench = {
  name: 'disk',
  description: 'bytes on disk per observation, of the journal and of the whole data folder',
  goal: 'at most 12 bytes an observation',
  async run({ seed, dataDir, quick }: BenchSettings): Promise<BenchOutcome> {
    const sampleCount = quick ? 8192 : 262_144
    const rows: Row[] = []
    for (const batchSize of BATCH_SIZES) {
      rows.push(...(await measureRun(join(dataDir, `batch-${batchSize}`), batchSize, sampleCount, seed)))
    }
    const head = [
      'at the end of',
      'batch',
      'journal, B/observation',
      'folder, B/sample',
      'folder, B/observation so far',
    ]
    const body = rows.map((row) => [
      `epoch ${row.epoch}`,
      String(row.batchSize),
      short(row.journalPerObservation),
      short(row.folderPerSample),
      short(row.folderPerObservationOfRun),
    ])
    return { constants: { sampleCount, pruneRate: 0.5, epochs: EPOCHS }, measured: rows, text: table(head, body) }
  },
}

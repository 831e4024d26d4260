import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { requestedSpec } from '../../services/sampler/src/runs/testing/requested-spec.js'
import { SamplerProcess } from '../../test/support/sampler-process.js'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { filesOf } from '../support/data-dir.js'
import { closeRuns, openRuns, planEpoch, snapshotSaved } from '../support/in-process.js'
import { reportEpoch } from '../support/report-epoch.js'
import { showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'

const RUN_ID = 'bench'
const WORLD_SIZE = 8
const BATCH_SIZE = 256
/** The last epoch: its journal is read at recovery. Those before it have left snapshots. */
const LAST_EPOCH = 3

/** Milliseconds of one round. */
interface Row {
  /** All files of the data folder, read one after the other. */
  readonly rawRead: number
  /** From the opening of the store to the answer. */
  readonly inProcess: number
  /** Of a process with an empty data folder, from its start to "listening". */
  readonly bareStart: number
  /** Of a process with the run: from its start to "listening", and to the plan's last index. */
  readonly listening: number
  readonly answered: number
}

/** Writes the run's record as a sampler leaves it that dies at the end of an epoch. */
async function prepare(dataDir: string, copy: string, sampleCount: number, seed: number): Promise<number> {
  const runs = await openRuns(dataDir)
  const spec = requestedSpec({ sampleCount, seed: BigInt(seed), pruneRate: 0.5, selectionPeriod: 1 })
  await runs.create(RUN_ID, spec)
  const owner = await runs.owner(RUN_ID)
  let reports = 0
  for (let epoch = 0; epoch <= LAST_EPOCH; epoch++) {
    reports = await reportEpoch(owner, await planEpoch(owner, epoch, WORLD_SIZE), BATCH_SIZE)
  }
  await snapshotSaved(owner)
  await cp(dataDir, copy, { recursive: true })
  await closeRuns(runs)
  return reports
}

async function timeRawRead(dataDir: string): Promise<number> {
  const files = await filesOf(dataDir)
  const start = performance.now()
  for (const { path } of files) await readFile(path)
  return performance.now() - start
}

async function timeInProcess(dataDir: string): Promise<number> {
  const start = performance.now()
  const runs = await openRuns(dataDir)
  const plan = await planEpoch(await runs.owner(RUN_ID), LAST_EPOCH, WORLD_SIZE)
  const { length } = plan.digest
  const milliseconds = performance.now() - start
  if (length !== 32) throw new Error('the plan has no digest')
  await closeRuns(runs)
  return milliseconds
}

async function timeProcess(dataDir: string, ask: boolean): Promise<{ listening: number; answered: number }> {
  const start = performance.now()
  const process = SamplerProcess.serve(['--store', 'file', '--data-dir', dataDir])
  try {
    const { grpc } = await process.logged('listening')
    const listening = performance.now() - start
    if (!ask) return { listening, answered: 0 }
    const stubs = new SamplerStubs(String(grpc))
    await stubs.plan({ runId: RUN_ID, epoch: LAST_EPOCH, worldSize: WORLD_SIZE })
    const answered = performance.now() - start
    stubs.close()
    return { listening, answered }
  } finally {
    await process.kill()
  }
}

/** How long a sampler takes to go on with a run after a crash. */
export const recovery: Bench = {
  name: 'recovery',
  description: 'time from opening a store, and from the start of a process, to the first plan answered again',
  goal: 'at most 2 s',
  async run({ rounds, seed, dataDir, quick }: BenchSettings): Promise<BenchOutcome> {
    const sampleCount = quick ? 10_000 : 1_280_000
    const record = join(dataDir, 'record')
    const reports = await prepare(join(dataDir, 'live'), record, sampleCount, seed)
    const files = await filesOf(record)
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const rows: Row[] = []
    for (let round = 0; round < rounds; round++) {
      // Each from a fresh copy, which is in the page cache.
      const fresh = async () => {
        const copy = join(dataDir, 'copy')
        await rm(copy, { recursive: true, force: true })
        await cp(record, copy, { recursive: true })
        return copy
      }
      const rawRead = await timeRawRead(await fresh())
      const inProcess = await timeInProcess(await fresh())
      const bare = await timeProcess(join(dataDir, `empty-${round}`), false)
      rows.push({ rawRead, inProcess, bareStart: bare.listening, ...(await timeProcess(await fresh(), true)) })
    }
    const show = (of: (row: Row) => number) => showSpread(rows.map(of))
    const text = table(
      ['', 'ms'],
      [
        ['reading the same files', show(({ rawRead }) => rawRead)],
        ['in process, open to plan', show(({ inProcess }) => inProcess)],
        ['as a multiple of reading', show(({ inProcess, rawRead }) => inProcess / rawRead)],
        ['process with no runs, start to listening', show(({ bareStart }) => bareStart)],
        ['process with the run, start to listening', show(({ listening }) => listening)],
        ['process with the run, start to plan', show(({ answered }) => answered)],
      ],
    )
    const said = `${short(sampleCount)} samples, a journal of ${short(reports)} reports of ${BATCH_SIZE}, ${short(bytes)} bytes in ${files.length} files`
    const constants = {
      sampleCount,
      worldSize: WORLD_SIZE,
      batchSize: BATCH_SIZE,
      lastEpoch: LAST_EPOCH,
      reports,
      bytes,
    }
    return { constants, measured: { rows, files: files.map(({ bytes }) => bytes) }, text: `${said}\n\n${text}` }
  },
}

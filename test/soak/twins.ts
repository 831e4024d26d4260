import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import type { SamplerStubs } from '../support/test-sampler.js'
import { type RunState, readState } from './raw-runs.js'
import { trainSteadily } from './trainers.js'
import type { Training } from './training.js'
import { Transcript } from './transcript.js'

/** How the reports of runs were counted. */
export interface Counts {
  readonly reports: number
  readonly observations: number
  /** Reports that were acknowledged and are not counted. */
  readonly lost: number
  /** Reports, or losses of a sample in an epoch, that are counted and should not be. */
  readonly doubled: number
}

/** What a run must be like: that of the same training in a sampler that nobody disturbs. */
export interface Twin {
  readonly transcript: Transcript
  readonly state: RunState
  /** Plans asked for and reports handed over. */
  readonly ticks: number
}

/** Trains a twin. */
export async function trainTwin(stubs: SamplerStubs, training: Training, signal: AbortSignal): Promise<Twin> {
  const transcript = new Transcript()
  let ticks = 0
  const tick = () => {
    ticks++
  }
  await trainSteadily(stubs.address, training, { notes: transcript, tick, signal })
  return { transcript, state: await readState(stubs, training.settings.runId), ticks }
}

function countReports(run: RunState, twin: RunState): Counts {
  const [reports, expected] = [Number(run.progress?.reports), Number(twin.progress?.reports)]
  const repeats = Number(run.progress?.repeats) - Number(twin.progress?.repeats)
  return {
    reports,
    observations: Number(run.progress?.observations),
    lost: Math.max(0, expected - reports),
    doubled: Math.max(0, reports - expected) + Math.max(0, repeats),
  }
}

/** Throws where a run is not as its twin is: what its ranks trained on, what it counted, and the statistics of its samples, bit for bit. */
export async function checkAgainstTwin(
  stubs: SamplerStubs,
  runId: string,
  transcript: Transcript,
  twin: Twin,
): Promise<Counts> {
  deepStrictEqual(transcript.digests, twin.transcript.digests, `the plans of "${runId}" are not those of its twin`)
  // A trainer that always left off in the middle of an epoch has not read all of its order.
  for (const [key, order] of Object.entries(transcript.orders)) {
    strictEqual(
      order,
      twin.transcript.orders[key],
      `"${runId}" trained in another order than its twin in epoch, rank ${key}`,
    )
  }
  const state = await readState(stubs, runId)
  const counts = countReports(state, twin.state)
  const told = `${counts.lost} reports of "${runId}" were lost, ${counts.doubled} doubled`
  // A rewound run has another generation, and other starts to go back to.
  const { generation, epochStarts } = state
  deepStrictEqual(state, { ...twin.state, generation, epochStarts }, told)
  return counts
}

import { deepStrictEqual } from 'node:assert/strict'
import { once } from 'node:events'
import { seededRandom } from '../support/random.js'
import { TestSampler } from '../support/test-sampler.js'
import { type Job, jobs } from './jobs.js'
import type { KillableSampler } from './killable-sampler.js'
import { drawMoments, Killer } from './killer.js'
import { type Broken, KILLED_STEPS, LifeOfARun } from './life-of-a-run.js'
import { listRuns } from './raw-runs.js'
import { Transcript } from './transcript.js'
import { type Counts, checkAgainstTwin, type Twin, trainTwin } from './twins.js'

/** Settings of a {@link crashRound}. */
export interface RoundOptions {
  /** Begins the name of every run. */
  readonly name: string
  readonly seed: number
  /** Kills at least: those that meet the steps of a run's life, the others under load. */
  readonly kills: number
  /** Breaks the round off. */
  readonly signal: AbortSignal
}

/** What a round came to: all its runs were as their twins were. */
export interface RoundResult extends Counts {
  readonly runs: number
  /** Steps in the life of a run whose answer a kill took, by what had become of them. */
  readonly broken: Broken
}

/** Rejects when the signal is aborted. */
async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted()
  await once(signal, 'abort')
  throw signal.reason
}

function sum(counts: readonly Counts[]): Counts {
  return counts.reduce((total, { reports, observations, lost, doubled }) => ({
    reports: total.reports + reports,
    observations: total.observations + observations,
    lost: total.lost + lost,
    doubled: total.doubled + doubled,
  }))
}

/** One life that only the load's kills meet, to see how long each step takes; then one whose every step is met by a kill. */
async function liveTwice(life: LifeOfARun, name: string): Promise<void> {
  await life.live(`${name}-calm`, false)
  await life.live(`${name}-killed`, true)
}

/** All runs are there and none else, and nothing was logged that an operator must act on. */
async function checkSampler(sampler: KillableSampler, load: readonly Job[]): Promise<void> {
  const runIds = load.map(({ training }) => training.settings.runId).sort()
  deepStrictEqual(await listRuns(sampler.stubs), { runIds, damaged: [] })
  deepStrictEqual(sampler.errors, [])
}

/**
 * Trains several runs at once while their sampler is killed again and again, and the same runs in a sampler of this process that nobody disturbs.
 * Rejects where a run is not as its twin is, where something acknowledged is gone, or where a step in the life of a run happened by half; the
 * sampler is then ended. Leaves no run behind.
 */
export async function crashRound(sampler: KillableSampler, options: RoundOptions): Promise<RoundResult> {
  const { name, kills } = options
  const killsBefore = sampler.kills
  const random = seededRandom(options.seed)
  const elsewhere = await TestSampler.start()
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, options.signal])
  const work: Promise<void>[] = []
  const atWork = new Set<string>()
  const begin = (runId: string, trained: Promise<void>) => {
    atWork.add(runId)
    work.push(trained.finally(() => atWork.delete(runId)))
  }
  try {
    const load = jobs(sampler, name, options.seed, random)
    const twins = await Promise.all(load.map(({ training }) => trainTwin(elsewhere, training, signal)))
    const ticks = twins.reduce((total, twin) => total + twin.ticks, 0)
    const killsUnderLoad = Math.max(0, kills - KILLED_STEPS)
    const killer = new Killer(sampler, drawMoments(killsUnderLoad, ticks, random), random)
    const transcripts = load.map(() => new Transcript())
    const witness = (notes: Transcript) => ({ notes, tick: killer.tick, signal })
    const life = new LifeOfARun(sampler, elsewhere, witness(new Transcript()), random)
    begin('the life of a run', liveTwice(life, name))
    for (const [i, { training, trainer }] of load.entries()) {
      const notes = transcripts[i] as Transcript
      begin(training.settings.runId, trainer(sampler.address, training, witness(notes)))
    }
    await Promise.race([Promise.all(work), killer.failed, aborted(signal)])
    await killer.settled()
    // Two that fell together were one.
    while (sampler.kills < killsBefore + kills) await sampler.kill()
    const counts = await Promise.all(
      load.map(({ training }, i) =>
        checkAgainstTwin(sampler.stubs, training.settings.runId, transcripts[i] as Transcript, twins[i] as Twin),
      ),
    )
    await checkSampler(sampler, load)
    for (const { training } of load) await sampler.stubs.deleteRun(training.settings.runId)
    return { ...sum(counts), runs: load.length, broken: life.broken }
  } catch (cause) {
    const where = `seed ${options.seed}, after ${sampler.kills} kills, at work: ${[...atWork].join(', ') || 'none'}`
    await sampler.destroy()
    const log = sampler.errors.map((line) => `\n${JSON.stringify(line)}`).join('')
    throw new Error(`${where}: ${(cause as Error).message}${log}`, { cause })
  } finally {
    stop.abort()
    await Promise.allSettled(work)
    await elsewhere.stop()
  }
}

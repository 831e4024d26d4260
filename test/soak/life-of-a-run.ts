import { deepStrictEqual } from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { decodeRefusal } from '../support/refusal.js'
import type { SamplerStubs, TestSampler } from '../support/test-sampler.js'
import { isConnectionTrouble } from './connection-trouble.js'
import type { KillableSampler } from './killable-sampler.js'
import { turns } from './killer.js'
import { exportRun, importRun, type RunState, readState, rewindRun } from './raw-runs.js'
import { withClient } from './trainers.js'
import { PLAN_TIMEOUT_MS, type Training, trainPlan, trainRank, type Witness } from './training.js'

/** What is done to a run besides planning and reporting. */
export const STEPS = ['create', 'rewind', 'export', 'import', 'finish', 'delete'] as const
export type Step = (typeof STEPS)[number]

/** Kills that meet the steps of a life: the run and its copy are both deleted. */
export const KILLED_STEPS = STEPS.length + 1

/** Steps whose answer a kill took: how many had happened, how many had not. */
export type Broken = Record<Step, { happened: number; didNot: number }>

const EPOCHS = 6
/** The epoch that is left off in its middle, and the one that the run is then taken back to. */
const LEFT_OFF = 3
const REWOUND_TO = 2
const TRAINING = { worldSize: 1, batchSize: 100 }

/** Looks at a run until its last snapshot is written. */
const MAX_TRIES = 500

/** A kill falls up to this much later than the step took when it was left alone: so sometimes after its answer. */
const LATEST_KILL = 1.3

/**
 * Runs that live from CreateRun to DeleteRun, each step tried while the sampler is killed. After the kill the step has happened whole, or not at
 * all: what the sampler tells of the run, and the statistics of its samples, are what they were, or what they are elsewhere, in a sampler that
 * nobody kills and to which the same was done.
 */
export class LifeOfARun {
  /** Steps whose answer a kill took, by what had become of them. */
  readonly broken = Object.fromEntries(STEPS.map((step) => [step, { happened: 0, didNot: 0 }])) as Broken
  readonly #sampler: KillableSampler
  readonly #elsewhere: TestSampler
  readonly #witness: Witness
  readonly #random: () => number
  /** How many turns of the event loop a step took when it was last left alone. */
  readonly #turnsOf = new Map<Step, number>()

  constructor(sampler: KillableSampler, elsewhere: TestSampler, witness: Witness, random: () => number) {
    this.#sampler = sampler
    this.#elsewhere = elsewhere
    this.#witness = witness
    this.#random = random
  }

  /** One life. With `kills`, each step is met by one. */
  async live(runId: string, kills: boolean): Promise<void> {
    const policy = { $case: 'ucb' as const, value: {} }
    const spec = { sampleCount: 1500, pruneRate: 0.5, totalEpochs: EPOCHS, selectionPeriod: 1, seed: 7n, policy }
    const copyId = `${runId}-copy`
    await this.#change('create', runId, (stubs) => stubs.createRun(runId, spec), kills)
    await this.#trainBoth(runId, 0, LEFT_OFF)
    await this.#change('rewind', runId, (stubs) => rewindRun(stubs, runId, REWOUND_TO, 1), kills)
    await this.#trainBoth(runId, REWOUND_TO, LEFT_OFF)
    const bytes = await this.#export(runId, kills)
    await this.#change('import', copyId, (stubs) => importRun(stubs, copyId, bytes), kills)
    await this.#trainBoth(runId, LEFT_OFF, EPOCHS)
    await this.#trainBoth(copyId, LEFT_OFF, EPOCHS)
    deepStrictEqual(
      await this.#read(copyId),
      await this.#read(runId),
      `"${copyId}" became another run than its original`,
    )
    await this.#change('finish', runId, (stubs) => stubs.finishRun(runId), kills)
    await this.#change('delete', runId, (stubs) => stubs.deleteRun(runId), kills)
    await this.#change('delete', copyId, (stubs) => stubs.deleteRun(copyId), kills)
  }

  /** Does a step elsewhere, then here until it has happened; the first time it may be met by a kill. */
  async #change(
    step: Step,
    runId: string,
    call: (stubs: SamplerStubs) => Promise<unknown>,
    kill: boolean,
  ): Promise<void> {
    const before = await this.#read(runId)
    await call(this.#elsewhere)
    const after = await this.#readElsewhere(runId)
    for (let isFirst = true; ; isFirst = false) {
      const outcome = await this.#attempt(step, call, kill && isFirst)
      const now = await this.#read(runId)
      const hasHappened = isDeepStrictEqual(now, after)
      if (outcome === 'broken') this.broken[step][hasHappened ? 'happened' : 'didNot']++
      if (outcome !== 'broken')
        deepStrictEqual(now, after, `${step} of "${runId}" was answered, but did not happen whole`)
      if (hasHappened) return
      deepStrictEqual(now, before, `${step} of "${runId}" was broken off and happened by half`)
    }
  }

  /** An export is whole, or breaks off with an error; it changes nothing. */
  async #export(runId: string, kill: boolean): Promise<readonly Uint8Array[]> {
    const before = await this.#read(runId)
    for (let isFirst = true; ; isFirst = false) {
      const outcome = await this.#attempt('export', (stubs) => exportRun(stubs, runId), kill && isFirst)
      deepStrictEqual(await this.#read(runId), before, `export changed "${runId}"`)
      if (outcome !== 'broken') return outcome.answer
      this.broken.export.didNot++
    }
  }

  /** Calls the sampler, and may kill it under the call. */
  async #attempt<T>(
    step: Step,
    call: (stubs: SamplerStubs) => Promise<T>,
    kill: boolean,
  ): Promise<{ readonly answer: T } | 'broken'> {
    await this.#sampler.running()
    let isOver = false
    const outcome = call(this.#sampler.stubs).then(
      (answer) => ({ answer }),
      (error: unknown) => {
        if (isConnectionTrouble(error)) return 'broken' as const
        throw error
      },
    )
    const over = outcome.then(
      () => {
        isOver = true
      },
      () => {
        isOver = true
      },
    )
    if (kill) {
      await turns(Math.floor(this.#random() * LATEST_KILL * (this.#turnsOf.get(step) ?? 0)))
      await this.#sampler.kill()
    } else {
      let count = 0
      for (; !isOver; count++) await turn()
      this.#turnsOf.set(step, count)
    }
    await over
    await this.#sampler.running()
    return outcome
  }

  /** Trains the run on the epochs from `from` to before `to`, here and elsewhere; the epoch LEFT_OFF, where it ends there, in part. */
  async #trainBoth(runId: string, from: number, to: number): Promise<void> {
    const settings = { runId, sampleCount: 1, policy: { kind: 'ucb' as const }, epochs: EPOCHS }
    const training: Training = { settings, ...TRAINING }
    for (const address of [this.#elsewhere.address, this.#sampler.address]) {
      await withClient(address, this.#witness.signal, async (client) => {
        const run = await client.openRun(runId)
        await trainRank(run, 0, training, this.#witness, { from, to })
        if (to === LEFT_OFF) {
          await trainPlan(await run.planEpoch(LEFT_OFF, { timeoutMs: PLAN_TIMEOUT_MS }), training, this.#witness, 3)
        }
        await run.flush()
      })
    }
    const there = await this.#readElsewhere(runId)
    let here = await this.#read(runId)
    // The start of the epoch counts as kept when its snapshot is written, which nobody waits for.
    for (let tries = 0; tries < MAX_TRIES && !isDeepStrictEqual(here, there); tries++) here = await this.#read(runId)
    deepStrictEqual(here, there, `"${runId}" is not what it is elsewhere`)
  }

  /** The state of a run, undefined where there is none. */
  async #read(runId: string): Promise<RunState | undefined> {
    for (;;) {
      await this.#sampler.running()
      try {
        return await readIfThere(this.#sampler.stubs, runId)
      } catch (error) {
        if (!isConnectionTrouble(error)) throw error
      }
    }
  }

  #readElsewhere(runId: string): Promise<RunState | undefined> {
    return readIfThere(this.#elsewhere, runId)
  }
}

async function readIfThere(stubs: SamplerStubs, runId: string): Promise<RunState | undefined> {
  try {
    return await readState(stubs, runId)
  } catch (error) {
    if (decodeRefusal(error).reason === 'RUN_NOT_FOUND') return undefined
    throw error
  }
}

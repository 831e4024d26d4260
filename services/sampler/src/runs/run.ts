import { ownCount } from '../core/plans/sharding.js'
import { statisticsSettings } from '../core/policies/registry.js'
import { everything } from '../core/selection/everything.js'
import { SampleStatistics } from '../core/statistics/sample-statistics.js'
import { Plan } from './plan.js'
import type { EpochPlanned, LossesReported, RunCreated, RunEvent } from './run-event.js'
import type { RunSpec } from './run-spec.js'

/** Counts of what a run has done. */
export interface RunProgress {
  epochsPlanned: number
  samplesPlanned: number
  reports: number
  observations: number
  nonFinite: number
  repeats: number
}

/** In `Run.owners`: this sample has its loss of this epoch. */
const OBSERVED = 0x8000

/** Most ranks that an epoch can have: rank + 1 and the OBSERVED flag share 16 bits. */
export const MAX_WORLD_SIZE = 0x7fff

/**
 * The state of one run: what its events make it, and nothing else. `apply` is the only method that changes it.
 * Events are applied as they are: whether one may happen is asked before, by `checkReport` and `checkPlanRequest`.
 */
export class Run {
  readonly runId: string
  readonly spec: RunSpec
  readonly createTime: number
  readonly statistics: SampleStatistics
  readonly #progress: RunProgress = {
    epochsPlanned: 0,
    samplesPlanned: 0,
    reports: 0,
    observations: 0,
    nonFinite: 0,
    repeats: 0,
  }
  #updateTime: number
  #isFinished = false
  #plan: Plan | undefined
  /** Reports applied of each rank in the planned epoch: the sequence of its last one. */
  #sequences: Uint32Array = new Uint32Array(0)
  /** The same of the epoch before it. */
  #previousSequences: Uint32Array = new Uint32Array(0)
  #keptSet: Uint32Array = new Uint32Array(0)
  #selectionEpoch = 0
  /** Per sample: rank + 1 of the rank that has it in this epoch, 0 for none, and the OBSERVED flag. */
  readonly #owners: Uint16Array
  #hasOwners = false

  constructor({ runId, spec, time }: RunCreated) {
    this.runId = runId
    this.spec = spec
    this.createTime = time
    this.#updateTime = time
    this.statistics = new SampleStatistics(spec.sampleCount, statisticsSettings(spec.policy))
    this.#owners = new Uint16Array(spec.sampleCount)
  }

  get progress(): Readonly<RunProgress> {
    return this.#progress
  }

  get updateTime(): number {
    return this.#updateTime
  }

  get isFinished(): boolean {
    return this.#isFinished
  }

  /** The plan made last, undefined before the first. */
  get plan(): Plan | undefined {
    return this.#plan
  }

  /** The epoch that has no plan yet. */
  get nextEpoch(): number {
    return this.progress.epochsPlanned
  }

  /** Share of the data set left out so far. */
  get saving(): number {
    const { epochsPlanned, samplesPlanned } = this.progress
    return epochsPlanned === 0 ? 0 : 1 - samplesPlanned / (epochsPlanned * this.spec.sampleCount)
  }

  /** Sequence of the last report applied of a rank, 0 for none: of the planned epoch, the one before it, or any other (0). */
  lastSequence(epoch: number, rank: number): number {
    const age = this.nextEpoch - 1 - epoch
    if (age === 0) return this.#sequences[rank] ?? 0
    return (age === 1 && this.#previousSequences[rank]) || 0
  }

  /** Whether a sample is in a rank's plan of the planned epoch. */
  isPlannedFor(index: number, rank: number): boolean {
    if (!this.#hasOwners && this.#plan) this.#assignOwners(this.#plan)
    return ((this.#owners[index] as number) & ~OBSERVED) === rank + 1
  }

  /** The one door through which a run changes. */
  apply(event: RunEvent): void {
    this.#updateTime = event.time
    switch (event.type) {
      case 'run_created':
        throw new Error(`run "${this.runId}" was created twice`)
      case 'epoch_planned':
        this.#applyPlan(event)
        break
      case 'losses_reported':
        this.#applyLosses(event)
        break
      case 'run_finished':
        this.#isFinished = true
    }
  }

  #applyPlan({ epoch, worldSize, reason, selected }: EpochPlanned): void {
    const { sampleCount, seed, shardMode, positionMultiple } = this.spec
    if (selected) {
      this.#keptSet = selected
      this.#selectionEpoch = epoch
    }
    const isEverything = reason === 'warmup' || reason === 'tail'
    const keptSet = isEverything ? everything(sampleCount) : this.#keptSet
    this.#progress.epochsPlanned = epoch + 1
    this.#progress.samplesPlanned += keptSet.length
    this.#previousSequences = this.#sequences
    this.#sequences = new Uint32Array(worldSize)
    this.#owners.fill(0)
    this.#hasOwners = false
    this.#plan = new Plan({
      epoch,
      reason,
      selectionEpoch: isEverything ? epoch : this.#selectionEpoch,
      keptSet,
      seed,
      sharding: { worldSize, shardMode, positionMultiple },
      saving: this.saving,
    })
  }

  /** Notes which rank has which sample, when that is first asked for: a replay, whose reports were checked, never asks. */
  #assignOwners({ order, sharding }: Plan): void {
    for (let rank = 0; rank < sharding.worldSize; rank++) {
      const end = rank + ownCount(order.length, rank, sharding) * sharding.worldSize
      for (let i = rank; i < end; i += sharding.worldSize) {
        const index = order[i] as number
        this.#owners[index] = ((this.#owners[index] as number) & OBSERVED) | (rank + 1)
      }
    }
    this.#hasOwners = true
  }

  #applyLosses({ rank, sequence, indices, losses }: LossesReported): void {
    const { statistics } = this
    const owners = this.#owners
    const progress = this.#progress
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] as number
      const loss = losses[i] as number
      const owner = owners[index] as number
      if (!Number.isFinite(loss)) progress.nonFinite++
      else if (owner & OBSERVED) progress.repeats++
      else {
        owners[index] = owner | OBSERVED
        statistics.observe(index, loss)
        progress.observations++
      }
    }
    progress.reports++
    this.#sequences[rank] = sequence
  }
}

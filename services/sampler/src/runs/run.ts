import { createHash } from 'node:crypto'
import type { PlanReason } from '../core/plans/epoch-rule.js'
import { orderOfEpoch } from '../core/plans/order.js'
import { ownCount, type Sharding } from '../core/plans/sharding.js'
import { statisticsSettings } from '../core/policies/registry.js'
import { SampleStatistics } from '../core/statistics/sample-statistics.js'
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

/** What an epoch trains on. */
export interface Plan {
  readonly epoch: number
  readonly reason: PlanReason
  /** Epoch at which the kept set was chosen; the epoch itself where it is everything. */
  readonly selectionEpoch: number
  /** The kept set in training order, over all ranks. */
  readonly order: Uint32Array
  readonly sharding: Sharding
  /** The run's saving, this epoch included. */
  readonly saving: number
  /** SHA-256 of `order` as packed little-endian u32. */
  readonly digest: Buffer
  /** Reports applied of each rank: the sequence of its last one. */
  readonly lastSequences: Uint32Array
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
  readonly progress: RunProgress = {
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
  /** Reports applied of each rank in the epoch before the planned one. */
  #previousSequences: Uint32Array = new Uint32Array(0)
  #keptSet: Uint32Array = new Uint32Array(0)
  #selectionEpoch = 0
  /** Per sample: rank + 1 of the rank that has it in this epoch, 0 for none, and the OBSERVED flag. */
  readonly #owners: Uint16Array

  constructor({ runId, spec, time }: RunCreated) {
    this.runId = runId
    this.spec = spec
    this.createTime = time
    this.#updateTime = time
    this.statistics = new SampleStatistics(spec.sampleCount, statisticsSettings(spec.policy))
    this.#owners = new Uint16Array(spec.sampleCount)
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
    if (age === 0) return this.#plan?.lastSequences[rank] ?? 0
    return (age === 1 && this.#previousSequences[rank]) || 0
  }

  /** Whether a sample is in a rank's plan of the planned epoch. */
  isPlannedFor(index: number, rank: number): boolean {
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
    const { spec, progress } = this
    if (selected) {
      this.#keptSet = selected
      this.#selectionEpoch = epoch
    }
    const isEverything = reason === 'warmup' || reason === 'tail'
    const keptSet = isEverything ? Uint32Array.from({ length: spec.sampleCount }, (_, i) => i) : this.#keptSet
    const sharding = { worldSize, shardMode: spec.shardMode, positionMultiple: spec.positionMultiple }
    const order = orderOfEpoch(keptSet, spec.seed, epoch)
    this.#previousSequences = this.#plan?.lastSequences ?? this.#previousSequences
    progress.epochsPlanned = epoch + 1
    progress.samplesPlanned += order.length
    this.#plan = {
      epoch,
      reason,
      selectionEpoch: isEverything ? epoch : this.#selectionEpoch,
      order,
      sharding,
      saving: this.saving,
      digest: createHash('sha256').update(order).digest(),
      lastSequences: new Uint32Array(worldSize),
    }
    this.#assignOwners(order, sharding)
  }

  #assignOwners(order: Uint32Array, sharding: Sharding): void {
    this.#owners.fill(0)
    for (let rank = 0; rank < sharding.worldSize; rank++) {
      const end = rank + ownCount(order.length, rank, sharding) * sharding.worldSize
      for (let i = rank; i < end; i += sharding.worldSize) this.#owners[order[i] as number] = rank + 1
    }
  }

  #applyLosses({ rank, sequence, indices, losses }: LossesReported): void {
    const { progress, statistics } = this
    const owners = this.#owners
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
    if (this.#plan) this.#plan.lastSequences[rank] = sequence
  }
}

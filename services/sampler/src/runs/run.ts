import { isEverything, isScored, ruleOfEpoch } from '../core/plans/epoch-rule.js'
import { learningRateFactor, ownColumns, statisticsSettings } from '../core/policies/registry.js'
import { KeptSet } from '../core/selection/kept-set.js'
import { SampleStatistics } from '../core/statistics/sample-statistics.js'
import { Plan } from './plan.js'
import type { EpochPlanned, LossesReported, RunCreated, RunEvent } from './run-event.js'
import type { RunSpec } from './run-spec.js'
import {
  type HeldSelection,
  MAX_SELECTIONS,
  newState,
  type RestoredState,
  type RunCapture,
  type RunState,
} from './run-state.js'

/** Counts of what a run has done. */
export interface RunProgress {
  epochsPlanned: number
  samplesPlanned: number
  selections: number
  reports: number
  observations: number
  nonFinite: number
  repeats: number
  /** Losses reported of samples that the plan left out. */
  scored: number
  /** Samples that the runs whose scores this one took were planned to make them. */
  samplesPlannedElsewhere: number
}

/** Most ranks that an epoch can have: rank + 1 fits into 16 bits, with room to spare. */
export const MAX_WORLD_SIZE = 0x7fff

/** Share of the data set left out so far. */
export function savingOf(progress: Readonly<RunProgress>, sampleCount: number): number {
  const { epochsPlanned, samplesPlanned, samplesPlannedElsewhere } = progress
  return epochsPlanned === 0 ? 0 : 1 - (samplesPlanned + samplesPlannedElsewhere) / (epochsPlanned * sampleCount)
}

/** The statistics of a run that has no report yet. */
export function emptyStatistics({ sampleCount, policy, metrics, batchLossMomentum }: RunSpec): SampleStatistics {
  const rules = { metrics, own: ownColumns(policy), batchLossMomentum }
  return new SampleStatistics(sampleCount, statisticsSettings(policy), rules)
}

/**
 * The state of one run: what its last snapshot and the events since make it, and nothing else. `apply` is the only method that changes it.
 * Events are applied as they are: whether one may happen is asked before, by `checkReport` and `checkPlanRequest`.
 */
export class Run {
  readonly runId: string
  readonly spec: RunSpec
  readonly createTime: number
  readonly statistics: SampleStatistics
  readonly #progress: RunProgress
  #state: Omit<RunState, 'progress' | 'updateTime'>
  /** By itself, since every report changes it. */
  #updateTime: number
  #plan: Plan | undefined
  /** Reports applied of each rank in the planned epoch: the sequence of its last one. */
  #sequences: Uint32Array
  /** The same of the epoch before it. */
  #previousSequences: Uint32Array
  /** The kept set of the last selection. */
  #keptSet: KeptSet
  /** A new run, or one with what is `restored` of it. */
  constructor({ runId, spec, time }: RunCreated, restored?: Partial<RestoredState>) {
    this.runId = runId
    this.spec = spec
    this.createTime = time
    this.statistics = restored?.statistics ?? emptyStatistics(spec)
    const { progress, updateTime, ...state } = restored?.state ?? newState(time)
    this.#progress = { ...progress }
    this.#updateTime = updateTime
    this.#state = state
    this.#sequences = restored?.sequences ?? new Uint32Array(0)
    this.#previousSequences = restored?.previousSequences ?? new Uint32Array(0)
    this.#keptSet = restored?.keptSet ?? KeptSet.of([], 0)
    this.#plan = this.#makePlan()
  }

  get progress(): Readonly<RunProgress> {
    return this.#progress
  }

  get updateTime(): number {
    return this.#updateTime
  }

  get isFinished(): boolean {
    return this.#state.isFinished
  }

  /** The run's life: 1, and one more after each rewind. */
  get generation(): number {
    return this.#state.generation
  }

  /** The epoch that the last rewind went back to. */
  get rewoundTo(): number | undefined {
    return this.#state.rewoundTo
  }

  /** The plan made last, undefined before the first. */
  get plan(): Plan | undefined {
    return this.#plan
  }

  /** The epoch that has no plan yet. */
  get nextEpoch(): number {
    return this.progress.epochsPlanned
  }

  /** The last selections, in their order. */
  get selections(): readonly HeldSelection[] {
    return this.#state.selections
  }

  /** Share of the data set left out so far. */
  get saving(): number {
    return savingOf(this.#progress, this.spec.sampleCount)
  }

  /** The kept set of the last selection, empty before the first. */
  get keptSet(): KeptSet {
    return this.#keptSet
  }

  /**
   * Whether every sample of the plan has got its loss in this life of the process, so that the statistics stay as they are until the next plan. Never so in an
   * epoch that was resumed with some of them.
   */
  get isEpochObserved(): boolean {
    return this.#plan !== undefined && this.statistics.observedCount >= this.#plan.plannedCount
  }

  /** Sequence of the last report applied of a rank, 0 for none: of the planned epoch, the one before it, or any other (0). */
  lastSequence(epoch: number, rank: number): number {
    const age = this.nextEpoch - 1 - epoch
    if (age === 0) return this.#sequences[rank] ?? 0
    return (age === 1 && this.#previousSequences[rank]) || 0
  }

  /** The whole state as it is now, to be read while the run goes on. Release it in any case. */
  capture(): RunCapture {
    const { runId, spec, createTime } = this
    return {
      runId,
      spec,
      createTime,
      state: { ...this.#state, updateTime: this.#updateTime, progress: { ...this.#progress } },
      sequences: this.#sequences.slice(),
      previousSequences: this.#previousSequences,
      keptSet: this.#keptSet,
      observed: this.statistics.observed.slice(),
      statistics: this.statistics.capture(),
    }
  }

  /** The one door through which a run changes. */
  apply(event: RunEvent): void {
    this.#updateTime = event.time
    switch (event.type) {
      case 'epoch_planned':
        this.#applyPlan(event)
        break
      case 'losses_reported':
        this.#applyLosses(event)
        break
      case 'run_finished':
        this.#state = { ...this.#state, isFinished: true }
    }
  }

  #applyPlan({ epoch, worldSize, reason, selected }: EpochPlanned): void {
    const progress = this.#progress
    if (selected) {
      const { keptSet, summary } = selected
      this.#keptSet = keptSet
      const held = [...this.#state.selections, { epoch, keptCount: keptSet.count, ...summary }]
      this.#state = { ...this.#state, selectionEpoch: epoch, selections: held.slice(-MAX_SELECTIONS) }
      this.statistics.countKept(keptSet)
      progress.selections++
    }
    this.#state = { ...this.#state, plan: { epoch, reason, worldSize } }
    progress.epochsPlanned = epoch + 1
    progress.samplesPlanned += isEverything(reason) ? this.spec.sampleCount : this.#keptSet.count
    this.#previousSequences = this.#sequences
    this.#sequences = new Uint32Array(worldSize)
    this.statistics.beginEpoch()
    this.#plan = this.#makePlan()
  }

  /** The plan that the state tells of. */
  #makePlan(): Plan | undefined {
    const { plan, selectionEpoch, generation } = this.#state
    if (!plan) return undefined
    const { epoch, reason, worldSize } = plan
    const { sampleCount, seed, shardMode, positionMultiple, policy, totalEpochs } = this.spec
    const isAll = isEverything(reason)
    return new Plan({
      epoch,
      reason,
      selectionEpoch: isAll ? epoch : selectionEpoch,
      keptSet: isAll ? undefined : this.#keptSet,
      isScored: isScored(this.spec, epoch),
      learningRateFactor: isAll
        ? 1
        : learningRateFactor(policy, ruleOfEpoch(this.spec, epoch).pruneRate, epoch, totalEpochs),
      sampleCount,
      seed,
      sharding: { worldSize, shardMode, positionMultiple },
      saving: this.saving,
      generation,
    })
  }

  #applyLosses({ epoch, rank, sequence, indices, losses, metrics }: LossesReported): void {
    const progress = this.#progress
    const isTrained = this.#plan?.isScored ? (index: number) => this.#plan?.isTrained(index) ?? true : undefined
    const counts = this.statistics.observeReport(indices, losses, metrics, { epoch, isTrained })
    progress.scored += counts.scored
    progress.observations += counts.observations
    progress.nonFinite += counts.nonFinite
    progress.repeats += counts.repeats
    progress.reports++
    this.#sequences[rank] = sequence
  }
}

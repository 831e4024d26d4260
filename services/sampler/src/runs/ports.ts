import type { Sharding } from '../core/plans/sharding.js'
import type { SelectionRequest } from '../core/policies/registry.js'
import type { KeptSet } from '../core/selection/kept-set.js'
import type { SelectionSummary } from '../core/selection/selection-summary.js'
import type { SampleStatistics } from '../core/statistics/sample-statistics.js'
import type { PlanArrays } from './plan.js'
import type { RunEvent } from './run-event.js'

/** Milliseconds since 1970. */
export type Clock = () => number

/** What is computed for an epoch. */
export interface PlanWork {
  readonly statistics: SampleStatistics
  readonly seed: bigint
  readonly epoch: number
  readonly sharding: Sharding
  /** Whether what is left out is scored. */
  readonly isScored: boolean
  /** A kept set, or how one is chosen; undefined: everything. */
  readonly kept: KeptSet | Choice | undefined
}

/** How a kept set is chosen. */
export interface Choice {
  readonly request: SelectionRequest
  /** That of the selection before; empty before the first. */
  readonly previous: KeptSet
}

/** What an epoch keeps, and the arrays of its plan. */
export interface MadePlan extends PlanArrays {
  /** Undefined: everything. */
  readonly keptSet: KeptSet | undefined
  /** Where it was chosen: what came of that. */
  readonly summary: SelectionSummary | undefined
}

/** Computes plans; may do so elsewhere. Nothing changes the run's statistics until it answers. */
export interface Planner {
  make(work: PlanWork): Promise<MadePlan>
}

/** Bytes that come in pieces of any size, each good until the next is asked for; opaque to a store. */
export type ByteStream = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** A run's whole state at one moment. */
export interface Snapshot {
  readonly image: ByteStream
  /** Set where the state is that at the start of an epoch, before it is planned: RewindRun can go back to it. */
  readonly epochStart?: number
}

/**
 * The right to write the record of one run. A record is a snapshot and the events after it, and the snapshots of the last epoch starts.
 * Errors are a StoreError.
 */
export interface RunLease {
  /** Rises with every lease of a run. Only the newest lease can write. */
  readonly fence: number
  /** Epochs whose start is kept, ascending. */
  readonly epochStarts: readonly number[]
  /**
   * Takes the next event, at once and in the order of the calls. Resolves when the event, and so every one before it, is durable to the degree
   * that the store promises, with the same promise where several become durable together; rejects (UNAVAILABLE, FENCED) if it never will be, and then refuses every later one: the run has to be opened again.
   */
  append(event: RunEvent): Promise<void>
  /**
   * Records a snapshot of the state after every event appended before this call, and before any appended later. Events go on being appended
   * while it is written; the events that it covers go when it is durable. With `epochStart`, earlier snapshots of the start of that epoch or a later one
   * go, and of the others the store keeps the newest, as many as it is set to. One at a time. Rejects where the snapshot could not be
   * written; the record is then as good as without it, and the lease goes on.
   */
  saveSnapshot(snapshot: Snapshot): Promise<void>
  /** The image that was saved as the start of an epoch. Rejects with NOT_FOUND, DAMAGED. */
  readEpochStart(epoch: number): AsyncIterable<Uint8Array>
  /** Gives the lease back, when what was appended is durable or refused. Later writes reject with FENCED. */
  release(): Promise<void>
}

/** A run's record, opened. */
export interface OpenedRecord {
  readonly lease: RunLease
  /** The newest snapshot. To be read to its end first. */
  readonly image: AsyncIterable<Uint8Array>
  /**
   * The events after it, in order and without a gap. To be read to its end before anything is appended. `saveSnapshot` may come while an event
   * is in hand: it covers the events before that one, which counts as read when the next is asked for.
   */
  readonly events: AsyncIterable<RunEvent>
}

/** A look at a run's record that takes no lease. */
export interface RecordGlance {
  /** The newest snapshot; need not be read to its end. */
  readonly image: AsyncIterable<Uint8Array>
  /** Whether events follow it. */
  readonly hasEvents: boolean
  /** Epochs whose start is kept, ascending. */
  readonly epochStarts: readonly number[]
}

/** What the memory of a run depends on. */
export interface RunSize {
  readonly sampleCount: number
  /** Columns beside those that every run has. */
  readonly columnCount: number
  readonly hasWeights: boolean
}

/** Where runs are recorded. Errors are a StoreError. */
export interface RunStore {
  /** What an acknowledgement means, for the log: for example "memory: runs end with the process". */
  readonly durability: string
  /** Bytes of this process's memory that the record of such a run may take. */
  recordBytes(size: RunSize): number
  /** The run_ids of all records, in no order. */
  list(): Promise<string[]>
  /** Starts the record of a new run: all of it or nothing. The last snapshot is the run's state. Rejects with EXISTS, UNAVAILABLE. */
  create(runId: string, snapshots: AsyncIterable<Snapshot> | Iterable<Snapshot>): Promise<RunLease>
  /** Opens a record. Leases given out before can write no more once this resolves. Rejects with NOT_FOUND, DAMAGED, UNAVAILABLE. */
  open(runId: string): Promise<OpenedRecord>
  /** Rejects with NOT_FOUND, DAMAGED. */
  glance(runId: string): Promise<RecordGlance>
  /** Removes the record of a run, also a damaged one. Rejects with NOT_FOUND, UNAVAILABLE. */
  remove(runId: string): Promise<void>
  /** Lets go of everything, when what was appended is durable or refused. */
  close(): Promise<void>
}

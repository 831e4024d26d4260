import type { SelectionInput } from '../core/policies/policy.js'
import type { PolicyChoice } from '../core/policies/registry.js'
import type { RunCreated, RunEvent } from './run-event.js'

/** Milliseconds since 1970. */
export type Clock = () => number

/** Computes kept sets; may do so elsewhere. Nothing changes the run's statistics until it answers. */
export interface Selector {
  /** The policy's kept set: `input.keptCount` distinct indices in ascending order. */
  select(policy: PolicyChoice, input: SelectionInput): Promise<Uint32Array>
}

/** The record of one run. */
export interface RunJournal {
  /**
   * Takes the next event, at once and in the order of the calls. Resolves when the event, and so every one before it, is durable to the degree
   * that the store promises; rejects if it never will be, and then refuses every later one.
   */
  append(event: RunEvent): Promise<void>
}

/** Where runs are recorded. */
export interface RunStore {
  /** What an acknowledgement means, for the log: for example "memory: gone with the process". */
  readonly durability: string
  /** Starts the record of a new run. Rejects if the run has one. */
  create(event: RunCreated): Promise<RunJournal>
  /** Removes the record of a run. */
  remove(runId: string): Promise<void>
}

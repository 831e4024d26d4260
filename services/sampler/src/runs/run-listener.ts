import type { Plan } from './plan.js'
import type { Run } from './run.js'

/** Told of what happened, for the log. */
export interface RunListener {
  created(run: Run): void
  imported(run: Run): void
  planned(run: Run, plan: Plan, milliseconds: number): void
  rewound(run: Run): void
  finished(run: Run): void
  deleted(runId: string): void
  /** A finished run was removed because its time was over. */
  expired(runId: string): void
  /** A run came back from its record, of which so many events were replayed. */
  loaded(run: Run, events: number, milliseconds: number): void
  /** A run that nobody called left memory; its record stays. */
  unloaded(runId: string): void
  /** A record cannot be read: its run is lost to this sampler until somebody mends it. */
  damaged(runId: string, error: Error): void
  /** A snapshot could not be written; the record is as good as without it. */
  snapshotFailed(runId: string, error: Error): void
  /** The store could not do what a call needed; the caller is told to try again, and this says why. */
  storeFailed(runId: string, error: Error): void
  /** The lease of a run that left memory could not be given back. */
  releaseFailed(runId: string, error: Error): void
  /** A finished run whose time was over could not be removed, or an idle one did not leave memory; that is tried again. */
  sweepFailed(runId: string, error: Error): void
}

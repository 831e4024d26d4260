/** The gRPC status that an error stands for. */
export type StatusName =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED'

/** A field that was refused, and why. */
export interface FieldViolation {
  /** Path of the field in the request, as in the proto: for example `spec.prune_rate`. */
  readonly field: string
  readonly description: string
}

/** What an error carries beside its text. */
export interface ErrorDetails {
  /** Stable, upper-case reason, from the sampler's ErrorInfo; undefined where the error did not come from a sampler. */
  readonly reason?: string | undefined
  readonly fieldViolations?: readonly FieldViolation[] | undefined
  /** What the sampler suggests to wait before the next try, in milliseconds. */
  readonly retryDelayMs?: number | undefined
  /** The error of the transport. */
  readonly cause?: unknown
}

/** Base class of every error that this library throws. */
export class KeepsetError extends Error {
  /** The gRPC status behind the error. */
  readonly code: StatusName
  /** Stable, upper-case reason; undefined where the error did not come from a sampler or this library. */
  readonly reason: string | undefined
  /** The fields that were refused; empty where the error is not about fields. */
  readonly fieldViolations: readonly FieldViolation[]
  /** What the sampler suggests to wait before the next try, in milliseconds; undefined where it says nothing. */
  readonly retryDelayMs: number | undefined

  constructor(code: StatusName, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    this.code = code
    this.reason = details.reason
    this.fieldViolations = details.fieldViolations ?? []
    this.retryDelayMs = details.retryDelayMs
  }
}

/** The sampler has no run of that name. */
export class RunNotFoundError extends KeepsetError {}

/** The run id is taken by a run with other settings. */
export class RunExistsError extends KeepsetError {}

/** A value was refused; `fieldViolations` says which and why. */
export class InvalidArgumentError extends KeepsetError {}

/** Not in this state of the run: wrong epoch, gap between reports, run finished, client closed. */
export class PreconditionError extends KeepsetError {}

/** A position past the end of the plan. */
export class OutOfRangeError extends KeepsetError {}

/** Over a limit of the sampler: number of runs, memory, size of a message. */
export class ResourceExhaustedError extends KeepsetError {}

/** The bounded queue of reports has no room: `report()` was called without waiting for `batches()` or `run.room()`. Nothing was queued. */
export class QueueFullError extends KeepsetError {}

/** The sampler could not be reached, or was draining, for longer than the client retries. */
export class UnavailableError extends KeepsetError {}

/** The answer did not come in time. */
export class DeadlineError extends KeepsetError {}

/**
 * The call lost against another one. `reason` says against which: `STALE_GENERATION`, the run was rewound and this trainer is of its life
 * before, which is over for good; `ASK_SUPERSEDED`, a later call of the same rank for the same plan; `PLAN_CHANGED`, a plan that changed
 * under its reader.
 */
export class AbortedError extends KeepsetError {}

/** No token, or one that the sampler does not know. */
export class UnauthenticatedError extends KeepsetError {}

/** The token does not allow this. */
export class PermissionDeniedError extends KeepsetError {}

/** The sampler's record of the run is damaged. */
export class DataLossError extends KeepsetError {}

/** A fault of the sampler, of this library or of something between the two. */
export class InternalError extends KeepsetError {}

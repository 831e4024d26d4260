import type { FieldViolation } from '../core/field-violation.js'

/** Why a call is refused. Stable: clients may rely on these words. */
export type ErrorReason =
  | 'INVALID_FIELD'
  | 'RUN_NOT_FOUND'
  | 'RUN_EXISTS'
  | 'RUN_FINISHED'
  | 'WRONG_EPOCH'
  | 'SEQUENCE_GAP'
  | 'WORLD_SIZE_MISMATCH'
  | 'ASK_SUPERSEDED'
  | 'POSITION_OUT_OF_RANGE'
  | 'TOO_MANY_RUNS'
  | 'TOO_MANY_SAMPLES'
  | 'OUT_OF_MEMORY'
  | 'RUN_NOT_LOADED'
  | 'BARRIER_TIMEOUT'
  | 'STALE_GENERATION'
  | 'EPOCH_START_GONE'
  | 'STORE_UNAVAILABLE'
  | 'RUN_DAMAGED'
  | 'DRAINING'

/** A refused call: nothing of it was applied. The message names the field, the value and the remedy. */
export class RunError extends Error {
  override readonly name = 'RunError'
  readonly reason: ErrorReason
  /** What the error is about: a run_id, or a field. */
  readonly subject: string
  /** Set for INVALID_FIELD. */
  readonly violations: readonly FieldViolation[]

  constructor(reason: ErrorReason, subject: string, message: string, violations: readonly FieldViolation[] = []) {
    super(message)
    this.reason = reason
    this.subject = subject
    this.violations = violations
  }
}

/** Longer ones cannot exist. */
const MAX_RUN_ID_LENGTH = 128

/** INVALID_FIELD for one or more fields. */
export function invalidFields(violations: readonly FieldViolation[]): RunError {
  const message = violations.map(({ description }) => description).join('; ')
  return new RunError('INVALID_FIELD', violations[0]?.field ?? '', message, violations)
}

/** INVALID_FIELD for one field. */
export function invalidField(field: string, description: string): RunError {
  return invalidFields([{ field, description }])
}

export function runNotFound(runId: string): RunError {
  const shown = runId.slice(0, MAX_RUN_ID_LENGTH)
  return new RunError(
    'RUN_NOT_FOUND',
    shown,
    `there is no run "${shown}"; create it, or give the sampler the data directory that has it (runs of --store memory end with their process)`,
  )
}

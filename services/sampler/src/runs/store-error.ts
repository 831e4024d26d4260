/** Why a store did not do what it was asked. */
export type StoreErrorReason =
  /** There is no such record. */
  | 'NOT_FOUND'
  /** There is one already. */
  | 'EXISTS'
  /** What lies there is not what was written, or is in a format that this version does not know. */
  | 'DAMAGED'
  /** The store cannot write now; what it acknowledged is safe, what it refused was not recorded. */
  | 'UNAVAILABLE'
  /** The run was opened again since: this lease can never write again. */
  | 'FENCED'

/** A store that could not. The message is for the log: it names the file and the offset where there are any. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly reason: StoreErrorReason
  readonly runId: string

  constructor(reason: StoreErrorReason, runId: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
    this.runId = runId
  }
}

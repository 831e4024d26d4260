import { ImageError } from './image/image-error.js'
import { RunError, runNotFound } from './run-error.js'
import type { RunListener } from './run-listener.js'
import { StoreError } from './store-error.js'

/** What a caller is told of a store that could not, after `listener` was; other errors are passed on as they are. */
export function storeRefusal(runId: string, error: unknown, listener: RunListener): unknown {
  if (!(error instanceof StoreError)) return error
  switch (error.reason) {
    case 'NOT_FOUND':
      return runNotFound(runId)
    case 'DAMAGED':
      return runDamaged(runId)
    default:
      listener.storeFailed(runId, error)
      return new RunError(
        'STORE_UNAVAILABLE',
        runId,
        `the record of run "${runId}" cannot be written now, and nothing of this call was recorded; try again (the sampler's log says why)`,
      )
  }
}

/** Whether what was read is not what was written. */
export function isDamage(error: unknown): error is Error {
  return error instanceof ImageError || (error instanceof StoreError && error.reason === 'DAMAGED')
}

export function runDamaged(runId: string): RunError {
  const message = `the record of run "${runId}" is damaged, or of a newer version: the sampler's log says which and where; put back a copy of it and restart the sampler, start the version that wrote it, or delete the run`
  return new RunError('RUN_DAMAGED', runId, message)
}

import { StoreError } from '../../runs/store-error.js'

/** The file system did not do what it was asked. `cause` is its error. */
export class DiskFailure extends Error {
  override readonly name = 'DiskFailure'
  /** ENOSPC, EIO, ENOENT and the like. */
  readonly code: string | undefined

  constructor(what: string, path: string, cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause)
    super(`cannot ${what} ${path}: ${text}`, { cause })
    this.code = (cause as NodeJS.ErrnoException | undefined)?.code
  }
}

/** A file does not hold what was written to it. */
export class Damage extends Error {
  override readonly name: string = 'Damage'

  constructor(path: string, offset: number, what: string) {
    super(`${path}, byte ${offset}: ${what}`)
  }
}

/** A file does not begin with a whole header: it may never have been written to its end. */
export class TornHeader extends Damage {
  override readonly name = 'TornHeader'
}

/** Whether the file system says that there is no such file or folder. */
export function isMissing(error: unknown): boolean {
  return error instanceof DiskFailure && error.code === 'ENOENT'
}

/** Whether the file system says that this user may not. */
export function isForbidden(error: unknown): boolean {
  return error instanceof DiskFailure && (error.code === 'EACCES' || error.code === 'EPERM')
}

/** What the users of the store are told, `runId` '' where it is about none; other errors are passed on as they are. */
export function toStoreError(runId: string, error: unknown): unknown {
  if (error instanceof Damage) return new StoreError('DAMAGED', runId, `run "${runId}" is damaged: ${error.message}`)
  if (error instanceof DiskFailure) {
    const where = runId === '' ? '' : `run "${runId}": `
    return new StoreError('UNAVAILABLE', runId, where + error.message, { cause: error.cause })
  }
  return error
}

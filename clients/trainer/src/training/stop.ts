/** A training was asked to stop, and did after its batch or, after the last batch of an epoch, at the epoch's end. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError'

  constructor() {
    super('The training was stopped.')
  }
}

/** @throws {StoppedError} if the signal asks to stop */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StoppedError()
}

/**
 * Waits for the work, but no longer than until the signal asks to stop; then the work's outcome no longer matters.
 *
 * @param grace seconds that the work still has once the signal asks to stop
 * @throws {StoppedError} if they are over before the work is
 */
export function unlessStopped<T>(signal: AbortSignal | undefined, work: Promise<T>, grace = 0): Promise<T> {
  if (!signal) return work
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const stop = () => {
      timer = setTimeout(() => reject(new StoppedError()), 1000 * grace)
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', stop)
      clearTimeout(timer)
    })
  })
}

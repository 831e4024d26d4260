/** A training was asked to stop, and did after its batch. */
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

/** Waits for the work, but no longer than until the signal asks to stop; then the work's outcome no longer matters. */
export function unlessStopped<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work
  return new Promise((resolve, reject) => {
    const stop = () => reject(new StoppedError())
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

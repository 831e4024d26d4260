interface EndableCall {
  on(event: 'cancelled', listener: () => void): unknown
}

/** Runs `work` with a signal that aborts when the caller is gone, or when `drain` aborts, then with its reason. */
export async function withCallSignal<T>(
  call: EndableCall,
  drain: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  drain.throwIfAborted()
  const controller = new AbortController()
  const onDrain = () => controller.abort(drain.reason)
  drain.addEventListener('abort', onDrain)
  call.on('cancelled', () => controller.abort())
  try {
    return await work(controller.signal)
  } finally {
    drain.removeEventListener('abort', onDrain)
  }
}

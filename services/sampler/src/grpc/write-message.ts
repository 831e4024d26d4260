import type { ServerWritableStream } from '@grpc/grpc-js'

/**
 * Resolves when the message is handed to the connection: a slow reader holds one message here, not the whole answer.
 * Rejects with the signal's reason when that aborts.
 */
export async function writeMessage<Response>(
  call: ServerWritableStream<unknown, Response>,
  message: Response,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted() // The callback of a write to a call that is over never comes.
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    call.write(message, (error: Error | null | undefined) => {
      signal.removeEventListener('abort', abort)
      if (error) reject(error)
      else resolve()
    })
  })
}

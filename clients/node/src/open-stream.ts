import type { ClientReadableStream } from '@grpc/grpc-js'
import { RetryBudget } from './backoff.js'
import { type Connection, ignoreError, wait } from './connection.js'
import { decodeError, type RpcStatus } from './decode-error.js'
import { KeepsetError } from './errors.js'
import { delayBeforeRetry } from './retry.js'

/** A stream from the sampler whose first message, or end, has come. */
export interface OpenStream<Message> {
  readonly first: IteratorResult<Message, void>
  /** What follows. */
  readonly messages: AsyncIterator<Message, void>
  cancel(): void
}

/**
 * Waits for the first message of a stream, `timeoutMs` at most, then throws what `late` makes. When `signal` aborts, the stream is cancelled,
 * now or later. Throws the status of a stream that ends with an error.
 */
export async function openStream<Message>(
  connection: Connection,
  stream: ClientReadableStream<Message>,
  timeoutMs: number,
  signal: AbortSignal,
  late: (cause: unknown) => KeepsetError,
): Promise<OpenStream<Message>> {
  stream.on('error', ignoreError)
  const messages: AsyncIterator<Message, void> = stream[Symbol.asyncIterator]()
  const cancel = () => {
    signal.removeEventListener('abort', cancel)
    stream.cancel()
  }
  signal.addEventListener('abort', cancel, { once: true })
  stream.on('status', () => signal.removeEventListener('abort', cancel))
  let timedOut = false
  const cancelTimer = connection.timing.schedule(() => {
    timedOut = true
    cancel()
  }, timeoutMs)
  try {
    return { first: await messages.next(), messages, cancel }
  } catch (error) {
    cancel()
    throw timedOut ? late(error) : error
  } finally {
    cancelTimer()
  }
}

/**
 * What `attempt` resolves to; it is made again while the sampler cannot be reached, for `timeoutMs` in all, and told how many
 * milliseconds are left. Throws typed errors, or the reason of `signal` when that aborts.
 */
export async function retrying<T>(
  { timing }: Connection,
  timeoutMs: number,
  signal: AbortSignal,
  attempt: (leftMs: number) => Promise<T>,
): Promise<T> {
  const end = timing.now() + timeoutMs
  const budget = new RetryBudget(timing, timeoutMs)
  for (;;) {
    signal.throwIfAborted()
    try {
      return await attempt(end - timing.now())
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof KeepsetError) throw error
      const delay = delayBeforeRetry(error as RpcStatus, budget)
      if (delay === undefined) throw decodeError(error as RpcStatus)
      await wait(timing, delay, signal)
    }
  }
}

import type { ClientReadableStream } from '@grpc/grpc-js'
import type { Connection } from './connection.js'
import { decodeError, type RpcStatus } from './decode-error.js'
import { DeadlineError } from './errors.js'
import { openStream, retrying } from './open-stream.js'
import { isRetryable } from './retry.js'

/** A stream that is read once and cannot be resumed. */
interface StreamToRead<Message> {
  start(): ClientReadableStream<Message>
  /** What it is, for an error's text: "export of run 'r'". */
  readonly name: string
  /** What the reader can do when it broke. */
  readonly toDo: string
}

/**
 * The messages of a stream, no faster than they are taken. Up to the first message it is a call like any other, within `callTimeoutMs` and
 * made again while the sampler cannot be reached. A stream that breaks after that throws: what came is a part.
 */
export async function* readStream<Message>(
  connection: Connection,
  { start, name, toDo }: StreamToRead<Message>,
): AsyncGenerator<Message, void, void> {
  const { signal, settings } = connection
  const { first, messages, cancel } = await retrying(connection, settings.callTimeoutMs, signal, (leftMs) => {
    const late = (cause: unknown) =>
      new DeadlineError(
        'DEADLINE_EXCEEDED',
        `The ${name} did not begin within ${settings.callTimeoutMs} ms. Look whether the sampler is overloaded or cut off, or raise callTimeoutMs.`,
        { reason: 'NO_ANSWER', cause },
      )
    return openStream(connection, start(), Math.max(0, leftMs), signal, late)
  })
  try {
    for (let next = first; !next.done; next = await messages.next()) yield next.value
  } catch (error) {
    signal.throwIfAborted()
    const broken = error as RpcStatus
    throw decodeError(broken, isRetryable(broken) ? `The ${name} broke off and cannot be resumed: ${toDo}` : undefined)
  } finally {
    cancel()
  }
}

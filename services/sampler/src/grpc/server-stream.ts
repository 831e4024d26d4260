import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import { withCallSignal } from './call-signal.js'
import { toStatus } from './status.js'

/**
 * A handler of a call that answers with a stream, from a function that writes it or throws. `signal` aborts when the caller is gone, and
 * with `drain`'s reason when that aborts.
 */
export function serverStream<Request, Response>(
  logger: Logger,
  drain: AbortSignal,
  answer: (call: ServerWritableStream<Request, Response>, signal: AbortSignal) => Promise<void>,
): handleServerStreamingCall<Request, Response> {
  return async (call) => {
    try {
      await withCallSignal(call, drain, (signal) => answer(call, signal))
      call.end()
    } catch (error) {
      if (!call.cancelled) call.emit('error', toStatus(error, logger))
    }
  }
}

import type { handleClientStreamingCall, ServerReadableStream } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import { withCallSignal } from './call-signal.js'
import { toStatus } from './status.js'

/**
 * A handler of a call that sends a stream, from a function that answers it or throws: what is still on its way then is not waited for.
 * `signal` aborts when the caller is gone, and with `drain`'s reason when that aborts.
 */
export function clientStream<Request, Response>(
  logger: Logger,
  drain: AbortSignal,
  answer: (call: ServerReadableStream<Request, Response>, signal: AbortSignal) => Promise<Response>,
): handleClientStreamingCall<Request, Response> {
  return async (call, callback) => {
    try {
      callback(null, await withCallSignal(call, drain, (signal) => answer(call, signal)))
    } catch (error) {
      if (!call.cancelled) callback(toStatus(error, logger))
    }
  }
}

import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import { toStatus } from './status.js'

/** A unary handler from a function that answers or throws. New calls are refused with `drain`'s reason once that aborts. */
export function unary<Request, Response>(
  logger: Logger,
  drain: AbortSignal,
  answer: (request: Request) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return async (call: ServerUnaryCall<Request, Response>, callback) => {
    try {
      drain.throwIfAborted()
      callback(null, await answer(call.request))
    } catch (error) {
      callback(toStatus(error, logger))
    }
  }
}

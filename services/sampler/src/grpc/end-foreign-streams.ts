import { ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js'

/** Ends the streams that are not ours when `stop` aborts: those of health and reflection know of no end, and would hold up a shutdown. */
export function endForeignStreams(stop: AbortSignal): ServerInterceptor {
  return ({ path, responseStream }, call) => {
    if (!responseStream || path.startsWith('/keepset.')) return new ServerInterceptingCall(call)
    const end = () => call.sendStatus({ code: status.UNAVAILABLE, details: 'the sampler is shutting down; try again' })
    stop.addEventListener('abort', end)
    const onCancel = () => stop.removeEventListener('abort', end) // Comes at the end of every call.
    return new ServerInterceptingCall(call, { start: (next) => next({ onCancel }) })
  }
}

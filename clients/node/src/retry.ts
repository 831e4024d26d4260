import { status } from '@grpc/grpc-js'
import type { RetryBudget } from './backoff.js'
import { isFromSampler, type RpcStatus, retryDelay } from './decode-error.js'

interface Retryable {
  readonly code: status
  /** Which texts of the transport count; undefined = all. */
  readonly details?: RegExp
  readonly reason: string
}

/**
 * The statuses after which a call is sent again. Every call of this library may be repeated, but for an import: plans are made once,
 * reports carry a sequence, a rewind states the generation that it ends, creating and finishing are idempotent, a deletion that was
 * repeated takes NOT_FOUND for done.
 */
const retryable: readonly Retryable[] = [
  { code: status.UNAVAILABLE, reason: 'no connection, a connection that broke, or a sampler that drains' },
]

/**
 * Further statuses, where no sampler gave them: then the transport, or a proxy on the way, made them up for a stream that was cut.
 * A status with the sampler's own ErrorInfo is an answer, and an answer is final.
 */
const retryableFromTransport: readonly Retryable[] = [
  { code: status.CANCELLED, details: /^Call cancelled$/, reason: 'the other side reset the stream with CANCEL' },
  { code: status.INTERNAL, details: /RST_STREAM/, reason: 'the stream was reset before its status came' },
  {
    code: status.UNKNOWN,
    details: /^No status information received$/,
    reason: 'the stream ended before its status came',
  },
]

/** Whether the call may succeed when it is sent again, the same. */
export function isRetryable(rpcStatus: RpcStatus): boolean {
  const fits = ({ code, details }: Retryable) =>
    rpcStatus.code === code && (details === undefined || details.test(rpcStatus.details))
  return retryable.some(fits) || (retryableFromTransport.some(fits) && !isFromSampler(rpcStatus))
}

/**
 * Milliseconds to wait before the call is sent again, no less than the sampler asks for; undefined where the status is final or the
 * budget is spent.
 */
export function delayBeforeRetry(rpcStatus: RpcStatus, budget: RetryBudget): number | undefined {
  return isRetryable(rpcStatus) ? budget.nextDelay(retryDelay(rpcStatus)) : undefined
}

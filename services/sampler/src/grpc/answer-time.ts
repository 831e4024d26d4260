import type { Deadline } from '@grpc/grpc-js'

/** By how much an answer comes before the deadline, so that its text arrives: a share of the time left, at most this many milliseconds. */
const MARGIN = { share: 0.1, milliseconds: 500 }

/** Milliseconds in which a call must be answered, so that the caller gets our text and not only that its time is over. Infinity without a deadline. */
export function answerTime(deadline: Deadline): number {
  const left = Math.max(0, Number(deadline) - Date.now())
  return left - Math.min(MARGIN.milliseconds, left * MARGIN.share)
}

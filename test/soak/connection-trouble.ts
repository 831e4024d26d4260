import { KeepsetError } from '@keepset/client'
import { decodeRefusal } from '../support/refusal.js'

/** What gRPC makes of a connection that broke before, or in the middle of, an answer. */
const CODES: ReadonlySet<string> = new Set(['UNAVAILABLE', 'CANCELLED', 'UNKNOWN', 'INTERNAL'])

/** Whether a call failed because the sampler died under it; an answer of the sampler always has a reason. Throws what is no status at all. */
export function isConnectionTrouble(error: unknown): boolean {
  const { code, reason } = error instanceof KeepsetError ? error : decodeRefusal(error)
  return reason === undefined && CODES.has(code)
}

import { InternalError } from './errors.js'

/** The error of an answer that no sampler of this version gives. */
export function unreadable(what: string): InternalError {
  return new InternalError(
    'INTERNAL',
    `The sampler sent ${what}. Use versions of the sampler and the client that fit.`,
    {
      reason: 'UNREADABLE_ANSWER',
    },
  )
}

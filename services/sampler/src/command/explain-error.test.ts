import {
  AbortedError,
  DataLossError,
  DeadlineError,
  InternalError,
  InvalidArgumentError,
  type KeepsetError,
  PermissionDeniedError,
  PreconditionError,
  ResourceExhaustedError,
  RunExistsError,
  RunNotFoundError,
  type StatusName,
  UnauthenticatedError,
  UnavailableError,
} from '@keepset/client'
import { describe, expect, it } from 'vitest'
import { usageError } from './command-error.js'
import { explainError } from './explain-error.js'

const address = '127.0.0.1:50051'

/** An error as the client makes it of a status: the sampler's text, then advice for programs. */
function fromSampler(
  type: new (...args: ConstructorParameters<typeof KeepsetError>) => KeepsetError,
  code: StatusName,
  details: string,
) {
  return new type(code, `${details}. Call client.something().`, { reason: 'SOME_REASON', cause: { details } })
}

describe('explainError', () => {
  it.each([
    [fromSampler(RunNotFoundError, 'NOT_FOUND', 'there is no run "x"; create it'), '"keepset runs list" shows'],
    [fromSampler(RunExistsError, 'ALREADY_EXISTS', 'the name is taken; use runId'), 'give another name with --as'],
    [fromSampler(AbortedError, 'ABORTED', 'generation is 1; open it'), 'look at it with "keepset runs show"'],
  ])('gives a remedy of the command line in place of one for programs: %s', (error, remedy) => {
    const { text, exitCode } = explainError(error, address)
    expect(text.startsWith(`${error.message.split('; ')[0]}; ${remedy}`)).toBe(true)
    expect(text).not.toContain('client.')
    expect(exitCode).toBe(1)
  })

  it.each([
    fromSampler(InvalidArgumentError, 'INVALID_ARGUMENT', 'run_id is "?"; use letters'),
    fromSampler(PreconditionError, 'FAILED_PRECONDITION', 'epoch is 3; give one of 4, 5'),
    fromSampler(ResourceExhaustedError, 'RESOURCE_EXHAUSTED', 'too many runs; delete some'),
    fromSampler(DataLossError, 'DATA_LOSS', 'the record is damaged; delete the run'),
    fromSampler(UnavailableError, 'UNAVAILABLE', 'the sampler is shutting down; try again'),
    fromSampler(UnauthenticatedError, 'UNAUTHENTICATED', 'no token'),
    fromSampler(PermissionDeniedError, 'PERMISSION_DENIED', 'the token is not for this run'),
  ])('leaves what the sampler says to do: %s', (error) => {
    expect(explainError(error, address).text).toBe(error.message.split('. ')[0])
  })

  it('says how to reach a sampler', () => {
    const refused = new UnavailableError('UNAVAILABLE', 'Refused. Check.', {
      cause: { details: 'No connection established. Resolution note: ' },
    })
    expect(explainError(refused, address)).toEqual({
      text: 'no sampler answers at 127.0.0.1:50051: start one with "keepset serve", or correct --address (No connection established); the runs of an embedded sampler (a training in Python without address=) are reached with --data-dir keepset-data, by the keepset of the Python package',
      exitCode: 1,
    })
    expect(explainError(refused, 'gpu-3:50051').text).toBe(
      'no sampler answers at gpu-3:50051: start one with "keepset serve", or correct --address (No connection established)',
    )
    expect(explainError(new DeadlineError('DEADLINE_EXCEEDED', 'Late.'), address).text).toBe(
      'no sampler answers at 127.0.0.1:50051 in time: start one with "keepset serve", correct --address, or raise --connect-timeout',
    )
    const stranger = new InternalError('UNIMPLEMENTED', 'x', { cause: { details: 'unknown service' } })
    expect(explainError(stranger, address).text).toMatch(/^the server at 127.0.0.1:50051 is no Keepset sampler, or .*/)
  })

  it('gives the whole text of a fault, and its stack where it is one of this program', () => {
    const fault = new InternalError('INTERNAL', 'id 17. Look in the log.', { cause: { details: 'id 17' } })
    expect(explainError(fault, address).text).toBe('id 17. Look in the log.')
    const bug = new TypeError('x is not a function')
    expect(explainError(bug, address)).toEqual({ text: bug.stack, exitCode: 1 })
  })

  it('prints one line', () => {
    expect(explainError(usageError('bad\n  value'), address)).toEqual({ text: 'bad value', exitCode: 2 })
  })
})

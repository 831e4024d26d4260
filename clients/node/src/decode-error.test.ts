import { Metadata, status } from '@grpc/grpc-js'
import { BadRequest } from '@keepset/proto'
import { describe, expect, it } from 'vitest'
import { decodeError, isFromSampler } from './decode-error.js'
import * as errors from './errors.js'
import { errorInfo, retryInfo, statusOf } from './testing/scripted-sampler.js'

describe('decodeError', () => {
  it.each([
    [status.INVALID_ARGUMENT, errors.InvalidArgumentError],
    [status.NOT_FOUND, errors.RunNotFoundError],
    [status.ALREADY_EXISTS, errors.RunExistsError],
    [status.FAILED_PRECONDITION, errors.PreconditionError],
    [status.ABORTED, errors.AbortedError],
    [status.OUT_OF_RANGE, errors.OutOfRangeError],
    [status.RESOURCE_EXHAUSTED, errors.ResourceExhaustedError],
    [status.UNAVAILABLE, errors.UnavailableError],
    [status.DEADLINE_EXCEEDED, errors.DeadlineError],
    [status.UNAUTHENTICATED, errors.UnauthenticatedError],
    [status.PERMISSION_DENIED, errors.PermissionDeniedError],
    [status.DATA_LOSS, errors.DataLossError],
    [status.INTERNAL, errors.InternalError],
    [status.UNKNOWN, errors.InternalError],
    [status.UNIMPLEMENTED, errors.InternalError],
    [status.CANCELLED, errors.InternalError],
  ])('makes the class of status %i', (code, type) => {
    const wire = statusOf(code, 'what happened.', [errorInfo('SOME_REASON')])
    const error = decodeError(wire)
    expect(error.constructor).toBe(type)
    expect(error).toMatchObject({ name: type.name, code: status[code], reason: 'SOME_REASON', cause: wire })
    expect(error.message).toMatch(/^what happened\. [A-Z]/)
  })

  it('says what to do about a gap between reports', () => {
    const error = decodeError(statusOf(status.FAILED_PRECONDITION, 'a gap', [errorInfo('SEQUENCE_GAP')]))
    expect(error).toBeInstanceOf(errors.PreconditionError)
    expect(error.message).toMatch(/^a gap\. .*client\.openRun\(\).*plan of the epoch again/)
  })

  it('does not advise to ask again where another call of the rank took the place', () => {
    const error = decodeError(statusOf(status.ABORTED, 'replaced', [errorInfo('ASK_SUPERSEDED')]))
    expect(error).toBeInstanceOf(errors.AbortedError)
    expect(error.reason).toBe('ASK_SUPERSEDED')
    expect(error.message).toMatch(/^replaced\. .*rank of its own/)
    expect(error.message).not.toContain('again')
  })

  it('says of a life that is over what to do, and not to ask again', () => {
    const error = decodeError(statusOf(status.ABORTED, 'rewound', [errorInfo('STALE_GENERATION')]))
    expect(error).toBeInstanceOf(errors.AbortedError)
    expect(error.reason).toBe('STALE_GENERATION')
    expect(error.message).toMatch(/^rewound\. End this trainer; or .*client\.openRun\(\).*nextEpoch/)
  })

  it.each([
    ['EPOCH_START_GONE', status.FAILED_PRECONDITION, errors.PreconditionError, /epochStarts/],
    ['STORE_UNAVAILABLE', status.UNAVAILABLE, errors.UnavailableError, /log .*disk/],
    ['RUN_DAMAGED', status.DATA_LOSS, errors.DataLossError, /log names the file.*deleteRun\(\)/],
  ])('says more by the reason %s than by its status', (reason, code, type, text) => {
    const error = decodeError(statusOf(code, 'what happened', [errorInfo(reason)]))
    expect(error).toBeInstanceOf(type)
    expect(error.message).toMatch(text)
  })

  it('takes what a call knows better for what to do', () => {
    const error = decodeError(statusOf(status.UNAVAILABLE, 'gone', []), 'Do this.')
    expect(error.message).toBe('gone. Do this.')
  })

  it('takes a code that gRPC does not define for an internal fault', () => {
    const error = decodeError({ code: 77 as status, details: '', metadata: new Metadata() })
    expect(error).toBeInstanceOf(errors.InternalError)
    expect(error.code).toBe('UNKNOWN')
  })

  it('reads refused fields and the time to wait', () => {
    const violation = { field: 'spec.seed', description: 'bad', reason: '', localizedMessage: undefined }
    const error = decodeError(
      statusOf(status.INVALID_ARGUMENT, 'bad', [
        retryInfo(2_500),
        {
          typeUrl: 'type.googleapis.com/google.rpc.BadRequest',
          value: BadRequest.encode({ fieldViolations: [violation] }).finish(),
        },
      ]),
    )
    expect(error.fieldViolations).toEqual([{ field: 'spec.seed', description: 'bad' }])
    expect(error.retryDelayMs).toBe(2_500)
    expect(error.reason).toBeUndefined()
  })

  it('keeps the error when its details cannot be read', () => {
    const metadata = new Metadata()
    metadata.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]))
    const error = decodeError({ code: status.NOT_FOUND, details: 'no run', metadata })
    expect(error).toBeInstanceOf(errors.RunNotFoundError)
    expect(error).toMatchObject({ reason: undefined, fieldViolations: [], retryDelayMs: undefined })
  })

  it('takes reasons from a sampler only', () => {
    expect(isFromSampler(statusOf(status.INTERNAL, '', [errorInfo('X')]))).toBe(true)
    expect(isFromSampler(statusOf(status.INTERNAL, '', [errorInfo('X', 'proxy.example')]))).toBe(false)
    expect(isFromSampler({ code: status.INTERNAL, details: '', metadata: new Metadata() })).toBe(false)
  })
})

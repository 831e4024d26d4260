import { Metadata, status } from '@grpc/grpc-js'
import { expect, it } from 'vitest'
import { isRetryable } from './retry.js'
import { errorInfo, statusOf } from './testing/scripted-sampler.js'

const fromTransport = (code: status, details = '') => ({ code, details, metadata: new Metadata() })

it.each([
  [status.UNAVAILABLE, 'Connection dropped'],
  [status.UNAVAILABLE, 'Received HTTP status code 503'],
  [status.CANCELLED, 'Call cancelled'],
  [status.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)'],
  [status.INTERNAL, 'Received RST_STREAM with code 0 (Call ended without gRPC status)'],
  [status.UNKNOWN, 'No status information received'],
])('tries again after what a broken connection gives: %i %s', (code, details) => {
  expect(isRetryable(fromTransport(code, details))).toBe(true)
})

it.each([
  [status.CANCELLED, 'Cancelled on client'],
  [status.INTERNAL, 'Request message serialization failure: bad field'],
  [status.UNKNOWN, 'a handler threw'],
  [status.DEADLINE_EXCEEDED, ''],
  [status.RESOURCE_EXHAUSTED, 'Received message larger than max'],
  [status.NOT_FOUND, ''],
  [status.FAILED_PRECONDITION, ''],
  [status.ABORTED, ''],
])('takes for final: %i %s', (code, details) => {
  expect(isRetryable(fromTransport(code, details))).toBe(false)
})

it("takes a sampler's own answer for final, unless it says UNAVAILABLE", () => {
  expect(isRetryable(statusOf(status.ABORTED, 'replaced', [errorInfo('ASK_SUPERSEDED')]))).toBe(false)
  expect(isRetryable(statusOf(status.UNAVAILABLE, 'draining', [errorInfo('DRAINING')]))).toBe(true)
  expect(isRetryable(statusOf(status.INTERNAL, 'RST_STREAM', [errorInfo('INTERNAL')]))).toBe(false)
})

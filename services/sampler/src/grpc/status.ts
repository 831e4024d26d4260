import { randomUUID } from 'node:crypto'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { type Any, BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, RetryInfo, Status } from '@keepset/proto'
import type { Logger } from 'pino'
import { type ErrorReason, RunError } from '../runs/run-error.js'

/** Owner of the reasons in ErrorInfo. */
const DOMAIN = 'keepset.dev'

/**
 * Bytes of one text, and field violations that are told of. What a caller sent may be in them, and trailers must stay small:
 * many clients take 8 KB in all, and a call whose trailers are too large for HTTP/2 would never end.
 */
const MAX_TEXT_BYTES = 1000
const MAX_VIOLATIONS = 8

function shortenText(text: string): string {
  const bytes = Buffer.from(text)
  return bytes.length <= MAX_TEXT_BYTES ? text : `${bytes.subarray(0, MAX_TEXT_BYTES).toString()}…`
}

function shorten({ reason, subject, message, violations }: RunError): RunError {
  const told = violations.slice(0, MAX_VIOLATIONS).map(({ field, description }) => ({
    field: shortenText(field),
    description: shortenText(description),
  }))
  return new RunError(reason, shortenText(subject), shortenText(message), told)
}

/** The google.rpc messages that say more about an error, encoded. */
type Detail = (error: RunError) => Any

function pack<T>(name: string, message: { encode(value: T): { finish(): Uint8Array } }, value: T): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${name}`, value: Buffer.from(message.encode(value).finish()) }
}

const badRequest: Detail = ({ violations }) =>
  pack('BadRequest', BadRequest, BadRequest.fromPartial({ fieldViolations: [...violations] }))

const precondition: Detail = ({ reason, subject, message }) =>
  pack('PreconditionFailure', PreconditionFailure, { violations: [{ type: reason, subject, description: message }] })

const resource: Detail = ({ subject, message }) =>
  pack('ResourceInfo', ResourceInfo, {
    resourceType: 'keepset.v1.Run',
    resourceName: subject,
    owner: '',
    description: message,
  })

const retryAfter =
  (seconds: number): Detail =>
  () =>
    pack('RetryInfo', RetryInfo, { retryDelay: { seconds: BigInt(seconds), nanos: 0 } })

/** One row a reason: the status on the wire, and what goes with it. */
const table: Record<ErrorReason, { code: status; detail?: Detail }> = {
  INVALID_FIELD: { code: status.INVALID_ARGUMENT, detail: badRequest },
  RUN_NOT_FOUND: { code: status.NOT_FOUND, detail: resource },
  RUN_EXISTS: { code: status.ALREADY_EXISTS, detail: resource },
  RUN_FINISHED: { code: status.FAILED_PRECONDITION, detail: precondition },
  WRONG_EPOCH: { code: status.FAILED_PRECONDITION, detail: precondition },
  SEQUENCE_GAP: { code: status.FAILED_PRECONDITION, detail: precondition },
  WORLD_SIZE_MISMATCH: { code: status.FAILED_PRECONDITION, detail: precondition },
  EPOCH_START_GONE: { code: status.FAILED_PRECONDITION, detail: precondition },
  ASK_SUPERSEDED: { code: status.ABORTED },
  STALE_GENERATION: { code: status.ABORTED },
  POSITION_OUT_OF_RANGE: { code: status.OUT_OF_RANGE },
  TOO_MANY_RUNS: { code: status.RESOURCE_EXHAUSTED, detail: retryAfter(60) },
  TOO_MANY_SAMPLES: { code: status.RESOURCE_EXHAUSTED },
  RUN_NOT_LOADED: { code: status.UNAVAILABLE, detail: retryAfter(5) },
  OUT_OF_MEMORY: { code: status.RESOURCE_EXHAUSTED, detail: retryAfter(60) },
  BARRIER_TIMEOUT: { code: status.DEADLINE_EXCEEDED },
  DRAINING: { code: status.UNAVAILABLE, detail: retryAfter(1) },
  STORE_UNAVAILABLE: { code: status.UNAVAILABLE, detail: retryAfter(5) },
  RUN_DAMAGED: { code: status.DATA_LOSS, detail: resource },
}

function describe(code: status, reason: string, message: string, details: Any[]): Partial<ServiceError> {
  const info = pack('ErrorInfo', ErrorInfo, { reason, domain: DOMAIN, metadata: {} })
  const metadata = new Metadata()
  const encoded = Status.encode({ code, message, details: [info, ...details] }).finish()
  metadata.set('grpc-status-details-bin', Buffer.from(encoded))
  return { code, details: message, metadata }
}

/**
 * What a client is told of an error: the status and google.rpc details of a refused call; of a bug only an id,
 * which finds the line in the log that has the rest.
 */
export function toStatus(error: unknown, logger: Logger): Partial<ServiceError> {
  if (error instanceof RunError) {
    const { code, detail } = table[error.reason]
    const short = shorten(error)
    return describe(code, error.reason, short.message, detail ? [detail(short)] : [])
  }
  const errorId = randomUUID()
  logger.error({ err: error, errorId }, 'internal error')
  return describe(status.INTERNAL, 'INTERNAL', `internal error ${errorId}; the sampler's log has it under this id`, [])
}

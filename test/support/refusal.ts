import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, RetryInfo, Status } from '@keepset/proto'

/** A refused call as its caller sees it: the status, and the google.rpc details by their kind. */
export interface Refusal {
  readonly code: keyof typeof status
  readonly text: string
  /** Of ErrorInfo; undefined where the status has no details. */
  readonly reason: string | undefined
  readonly domain: string | undefined
  /** Field paths of BadRequest. */
  readonly fields: readonly string[]
  readonly precondition: PreconditionFailure | undefined
  readonly resource: ResourceInfo | undefined
  readonly retrySeconds: number | undefined
  /** Bytes of the trailers that say all this. */
  readonly trailerBytes: number
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error && error.metadata instanceof Metadata
}

/** Reads the details of a status. Throws what is not a gRPC status. */
export function decodeRefusal(error: unknown): Refusal {
  if (!isServiceError(error)) throw error
  const [trailer] = error.metadata.get('grpc-status-details-bin')
  const messages = Buffer.isBuffer(trailer) ? Status.decode(trailer).details : []
  const find = <T>(name: string, type: { decode(bytes: Uint8Array): T }): T | undefined => {
    const message = messages.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${name}`)
    return message && type.decode(message.value)
  }
  const info = find('ErrorInfo', ErrorInfo)
  const delay = find('RetryInfo', RetryInfo)?.retryDelay
  return {
    code: status[error.code] as keyof typeof status,
    text: error.details,
    reason: info?.reason,
    domain: info?.domain,
    fields: find('BadRequest', BadRequest)?.fieldViolations.map(({ field }) => field) ?? [],
    precondition: find('PreconditionFailure', PreconditionFailure),
    resource: find('ResourceInfo', ResourceInfo),
    retrySeconds: delay && Number(delay.seconds),
    trailerBytes: encodeURI(error.details).length + (Buffer.isBuffer(trailer) ? trailer.toString('base64').length : 0),
  }
}

/** The refusal of a call that must be refused. */
export async function refused(call: Promise<unknown>): Promise<Refusal> {
  let answer: unknown
  try {
    answer = await call
  } catch (error) {
    return decodeRefusal(error)
  }
  throw new Error('the call was not refused', { cause: answer })
}

import { type Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js'
import { BadRequest, ErrorInfo, RetryInfo, Status } from '@keepset/proto'
import {
  AbortedError,
  DataLossError,
  DeadlineError,
  type ErrorDetails,
  InternalError,
  InvalidArgumentError,
  type KeepsetError,
  OutOfRangeError,
  PermissionDeniedError,
  PreconditionError,
  ResourceExhaustedError,
  RunExistsError,
  RunNotFoundError,
  type StatusName,
  UnauthenticatedError,
  UnavailableError,
} from './errors.js'

/** A status as gRPC gives it: the `status` event of a stream, or the error of a call. */
export type RpcStatus = StatusObject | ServiceError

interface Cause {
  readonly type: new (code: StatusName, message: string, details: ErrorDetails) => KeepsetError
  /** What the reader of the error can do. */
  readonly advice: string
}

const internal: Cause = {
  type: InternalError,
  advice: 'A fault of the sampler or of something before it: look for this text in its log.',
}

const causes: Readonly<Record<StatusName, Cause>> = {
  INVALID_ARGUMENT: { type: InvalidArgumentError, advice: 'Correct the fields that are named.' },
  NOT_FOUND: { type: RunNotFoundError, advice: 'Check the run id, or create the run with client.createRun().' },
  ALREADY_EXISTS: {
    type: RunExistsError,
    advice: 'Use another runId, give the same settings as before, or delete the run with client.deleteRun().',
  },
  FAILED_PRECONDITION: {
    type: PreconditionError,
    advice:
      'Compare with run.info(): its state and nextEpoch say what the run takes now. To train again from an earlier epoch, call run.rewind(epoch).',
  },
  OUT_OF_RANGE: { type: OutOfRangeError, advice: "Give a startPosition from 0 to the plan's positionCount." },
  RESOURCE_EXHAUSTED: {
    type: ResourceExhaustedError,
    advice: 'Stay below the limit that is named, or raise it in the sampler.',
  },
  UNAVAILABLE: {
    type: UnavailableError,
    advice: 'Check that the sampler runs and that its address is right (`keepset serve` starts one).',
  },
  DEADLINE_EXCEEDED: { type: DeadlineError, advice: 'Raise the timeout, or look for what the sampler waits for.' },
  ABORTED: { type: AbortedError, advice: 'Ask for the plan of the epoch again.' },
  UNAUTHENTICATED: { type: UnauthenticatedError, advice: 'Connect with credentials that the sampler knows.' },
  PERMISSION_DENIED: { type: PermissionDeniedError, advice: 'Use a token that is allowed to do this.' },
  DATA_LOSS: { type: DataLossError, advice: 'Restore the run, or begin a new one.' },
  UNIMPLEMENTED: {
    type: InternalError,
    advice: 'The server at this address is no Keepset sampler, or an older one than this library.',
  },
  INTERNAL: internal,
  UNKNOWN: internal,
  CANCELLED: internal,
}

/** What the reader can do where the reason says more than the status. */
const adviceByReason: ReadonlyMap<string | undefined, string> = new Map([
  [
    'SEQUENCE_GAP',
    'The sampler has fewer reports than it acknowledged: its record was put back from an older copy. Open the run again with client.openRun() and ask for the plan of the epoch again: its reports go on after those that the sampler has.',
  ],
  ['RUN_FINISHED', 'Create a run with another runId, or call client.deleteRun() first.'],
  [
    'ASK_SUPERSEDED',
    'Give each worker a rank of its own, let one at a time ask for a rank, and end the worker that was replaced.',
  ],
  [
    'STALE_GENERATION',
    'End this trainer; or open the run anew with client.openRun(), and go on at its nextEpoch with the model as it was then.',
  ],
  ['EPOCH_START_GONE', "Rewind to one of the run's epochStarts (run.info() has them), or begin a new run."],
  ['STORE_UNAVAILABLE', "The sampler's log says why it cannot write its records: a full disk, for example."],
  [
    'RUN_DAMAGED',
    "The sampler's log names the file. Restore the run's record from a copy, or client.deleteRun() and importRun() an export, or begin a new run.",
  ],
])

/** The name of a gRPC status code; a code that gRPC does not define is UNKNOWN. */
function statusName(code: number): StatusName {
  const name = status[code]
  return name !== undefined && name in causes ? (name as StatusName) : 'UNKNOWN'
}

/**
 * Makes the typed error of a gRPC status that is not OK. The status is kept as its cause. `toDo` is what the reader can do, where the
 * call knows more than its status says.
 */
export function decodeError(rpcStatus: RpcStatus, toDo?: string): KeepsetError {
  const code = statusName(rpcStatus.code)
  const { type, advice } = causes[code]
  const details = decodeDetails(rpcStatus.metadata)
  const text = rpcStatus.details || code
  const whatToDo = toDo ?? adviceByReason.get(details.reason) ?? advice
  return new type(code, `${withoutEnd(text)}. ${whatToDo}`, { ...details, cause: rpcStatus })
}

/** Whether a sampler itself gave the status; otherwise the transport or something between made it up. */
export function isFromSampler(rpcStatus: RpcStatus): boolean {
  return decodeDetails(rpcStatus.metadata).reason !== undefined
}

/** What the sampler asks to wait before the next try, in milliseconds; undefined where it says nothing. */
export function retryDelay(rpcStatus: RpcStatus): number | undefined {
  return decodeDetails(rpcStatus.metadata).retryDelayMs
}

const domain = 'keepset.dev'

/** Reads google.rpc.Status out of the trailer `grpc-status-details-bin`. Details that cannot be read never hide the error itself. */
function decodeDetails(metadata: Metadata | undefined): ErrorDetails {
  const [trailer] = metadata?.get('grpc-status-details-bin') ?? []
  if (!Buffer.isBuffer(trailer)) return {}
  try {
    const messages = new Map(Status.decode(trailer).details.map(({ typeUrl, value }) => [typeUrl, value]))
    const find = <T>(name: string, type: { decode(bytes: Uint8Array): T }) => {
      const value = messages.get(`type.googleapis.com/google.rpc.${name}`)
      return value && type.decode(value)
    }
    const info = find('ErrorInfo', ErrorInfo)
    const violations = find('BadRequest', BadRequest)?.fieldViolations
    const delay = find('RetryInfo', RetryInfo)?.retryDelay
    return {
      reason: info?.domain === domain ? info.reason : undefined,
      fieldViolations: violations?.map(({ field, description }) => ({ field, description })),
      retryDelayMs: delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6,
    }
  } catch {
    return {}
  }
}

function withoutEnd(text: string): string {
  return text.endsWith('.') ? text.slice(0, -1) : text
}

import {
  AbortedError,
  DeadlineError,
  InternalError,
  KeepsetError,
  RunExistsError,
  RunNotFoundError,
  UnavailableError,
} from '@keepset/client'
import { DEFAULT_ADDRESS } from './command-context.js'
import { CommandError, exitCodes } from './command-error.js'

/** What the user of the command line can do, where the sampler speaks to a program: instead of what follows the problem in its text. */
const remedies: readonly (readonly [type: typeof KeepsetError, remedy: string])[] = [
  [RunNotFoundError, '"keepset runs list" shows the runs that are there'],
  [RunExistsError, 'give another name with --as, or delete that run with "keepset runs delete"'],
  [AbortedError, 'look at it with "keepset runs show", then try again'],
]

/** For who named no sampler, and may have meant one that no address leads to. */
const embeddedRuns =
  'the runs of an embedded sampler (a training in Python without address=) are reached with --data-dir keepset-data, by the keepset of the Python package'

/** One line for the user and the exit code; for a fault of the program itself, its stack. */
export function explainError(error: unknown, address: string): { readonly text: string; readonly exitCode: number } {
  if (error instanceof CommandError) return { text: oneLine(error.message), exitCode: error.exitCode }
  if (error instanceof KeepsetError) return { text: oneLine(explain(error, address)), exitCode: exitCodes.failed }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { text, exitCode: exitCodes.failed }
}

function explain(error: KeepsetError, address: string): string {
  const text = textOfSampler(error)
  if (error instanceof DeadlineError) {
    return `no sampler answers at ${address} in time: start one with "keepset serve", correct --address, or raise --connect-timeout`
  }
  if (error instanceof UnavailableError && error.reason === undefined) {
    const problem = `no sampler answers at ${address}: start one with "keepset serve", or correct --address (${text})`
    return address === DEFAULT_ADDRESS ? `${problem}; ${embeddedRuns}` : problem
  }
  if (error.code === 'UNIMPLEMENTED') {
    return `the server at ${address} is no Keepset sampler, or an older one than this command: correct --address (${text})`
  }
  // A fault: the library says all there is to say.
  if (text === undefined || error instanceof InternalError) return error.message
  const remedy = remedies.find(([type]) => error instanceof type)?.[1]
  return remedy === undefined ? text : `${text.split('; ')[0]}; ${remedy}`
}

/** The text that came over the wire, without the library's advice to programs. */
function textOfSampler({ cause }: KeepsetError): string | undefined {
  const { details } = (cause ?? {}) as { details?: unknown }
  if (typeof details !== 'string' || details === '') return undefined
  // gRPC ends with this where it has nothing to note.
  return details.replace(/\.? Resolution note: $/, '')
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ')
}

import { once } from 'node:events'
import type { ClientWritableStream, ServiceError } from '@grpc/grpc-js'
import type { ImportRunRequest, ImportRunResponse } from '@keepset/proto'
import { type Connection, ignoreError } from './connection.js'
import { decodeError } from './decode-error.js'
import { isRetryable } from './retry.js'

type ImportCall = ClientWritableStream<ImportRunRequest>

/** Most bytes of a message: below what any sampler is likely to take, and so few that what waits to be sent stays small. */
const PIECE_BYTES = 256 * 1024

const toDoAfterBreak =
  'An import is not sent again by itself: look with client.getRun() whether the run is there, since its answer may be all that was lost, and else call client.importRun() again with the source opened anew.'

/**
 * Sends an export, no faster than the sampler takes it, and resolves to what that made of it. Once it has answered, nothing more is read of the
 * source nor waited for. The source's own errors are thrown as they are.
 */
export async function sendImport(
  connection: Connection,
  source: AsyncIterable<Uint8Array>,
  runId: string,
): Promise<ImportRunResponse> {
  await connection.ready()
  const answered = new AbortController()
  let call!: ImportCall
  const answer = new Promise<ImportRunResponse>((resolve, reject) => {
    call = connection.runs.importRun((error, response) => (error ? reject(error) : resolve(response)))
  }).finally(() => answered.abort())
  answer.catch(ignoreError) // Thrown below, when the source has been let go of.
  const cancel = () => call.cancel()
  connection.signal.addEventListener('abort', cancel, { once: true })
  try {
    await sendAll(call, source, runId, answered.signal)
    return await answer.catch((error: ServiceError) => {
      connection.signal.throwIfAborted()
      throw decodeError(error, isRetryable(error) ? toDoAfterBreak : undefined)
    })
  } finally {
    connection.signal.removeEventListener('abort', cancel)
  }
}

/** Writes the source to the call, to its end or until the call is `answered`. */
async function sendAll(
  call: ImportCall,
  source: AsyncIterable<Uint8Array>,
  runId: string,
  answered: AbortSignal,
): Promise<void> {
  call.write({ runId, chunk: Buffer.alloc(0) })
  const chunks = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await unlessAborted(chunks.next(), answered)
      if (next.done) break
      await send(call, next.value, answered)
    }
    call.end()
  } catch (error) {
    call.cancel()
    // Not waited for: a source that is stuck must not hold up the answer.
    Promise.resolve(chunks.return?.()).catch(ignoreError)
    if (!answered.aborted) throw error
  }
}

async function send(call: ImportCall, chunk: Uint8Array, answered: AbortSignal): Promise<void> {
  for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
    // A copy: the source may use its buffer again while this waits to be sent.
    const piece = Buffer.from(chunk.subarray(start, start + PIECE_BYTES))
    if (!call.write({ runId: '', chunk: piece })) await once(call, 'drain', { signal: answered })
  }
}

/** What the promise settles to, or a rejection with the signal's reason as soon as that aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

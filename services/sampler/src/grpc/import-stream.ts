import type { ServerReadableStream } from '@grpc/grpc-js'
import type { ImportRunRequest, ImportRunResponse } from '@keepset/proto'
import { invalidField } from '../runs/run-error.js'

type ImportCall = ServerReadableStream<ImportRunRequest, ImportRunResponse>

/** Messages as they come, no faster than they are taken. Throws the signal's reason when that aborts, and lets go of the call in every case. */
async function* readMessages(call: ImportCall, signal: AbortSignal): AsyncGenerator<ImportRunRequest, void, void> {
  const stop = () => call.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    yield* call as AsyncIterable<ImportRunRequest>
  } catch (error) {
    signal.throwIfAborted() // That the call broke off is what follows from it.
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function* chunksOf(
  first: ImportRunRequest | undefined,
  rest: AsyncIterable<ImportRunRequest>,
): AsyncGenerator<Uint8Array, void, void> {
  if (!first) return
  yield first.chunk
  for await (const { runId, chunk } of rest) {
    if (runId !== '' && runId !== first.runId) {
      const shown = JSON.stringify(runId.slice(0, 200))
      throw invalidField(
        'run_id',
        `run_id is ${shown} in a later message; give it in the first one, which says "${first.runId}"`,
      )
    }
    yield chunk
  }
}

/**
 * Reads the first message, and hands its run_id and the bytes of all to `take`. What that leaves is not read.
 * A connection that is lost can look like the end of the bytes: they must tell themselves whether they are whole.
 */
export async function readImport<T>(
  call: ImportCall,
  signal: AbortSignal,
  take: (runId: string, bytes: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const messages = readMessages(call, signal)
  const { value: first } = await messages.next()
  return take(first?.runId ?? '', chunksOf(first ?? undefined, messages))
}

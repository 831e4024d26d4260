import type { Connection } from './connection.js'
import { readStream } from './read-stream.js'

/** The whole state of a run as bytes, in the pieces in which they come. */
export async function* readExport(connection: Connection, runId: string): AsyncGenerator<Uint8Array, void, void> {
  const messages = readStream(connection, {
    start: () => connection.runs.exportRun({ runId }),
    name: `export of run '${runId}'`,
    toDo: 'drop what came and call client.exportRun() again.',
  })
  for await (const { chunk } of messages) yield chunk
}

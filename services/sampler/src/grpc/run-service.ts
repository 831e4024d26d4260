import type { RunServiceServer } from '@keepset/proto'
import type { Logger } from 'pino'
import type { RunRegistry } from '../runs/run-registry.js'
import { clientStream } from './client-stream.js'
import { readImport } from './import-stream.js'
import { pack, readRunSpec, writeRun, writeSelection } from './mapping.js'
import { readPageToken, writePageToken } from './page-token.js'
import { serverStream } from './server-stream.js'
import { writeStatistics } from './statistics-stream.js'
import { unary } from './unary.js'
import { writeMessage } from './write-message.js'

/** The life of runs over gRPC: a line an RPC. Streams end with the reason of `drain` when that aborts. */
export function runService(registry: RunRegistry, logger: Logger, drain: AbortSignal): RunServiceServer {
  return {
    createRun: unary(logger, drain, async ({ runId, spec }) => ({
      run: writeRun(await registry.create(runId, readRunSpec(spec))),
    })),
    getRun: unary(logger, drain, async ({ runId }) => ({ run: writeRun(await registry.read(runId)) })),
    listRuns: unary(logger, drain, async ({ pageSize, pageToken }) => {
      const { runs, damaged, last, hasMore } = await registry.list(pageSize, readPageToken(pageToken))
      return { runs: runs.map(writeRun), damagedRunIds: damaged, nextPageToken: hasMore ? writePageToken(last) : '' }
    }),
    finishRun: unary(logger, drain, async ({ runId, generation }) => ({
      run: writeRun(await registry.finish(runId, generation)),
    })),
    deleteRun: unary(logger, drain, async ({ runId }) => {
      await registry.delete(runId)
      return {}
    }),
    rewindRun: unary(logger, drain, async ({ runId, epoch, generation }) => ({
      run: writeRun(await registry.rewind(runId, epoch, generation)),
    })),
    exportRun: serverStream(logger, drain, async (call, signal) => {
      const pieces = await registry.export(call.request.runId)
      for await (const piece of pieces) await writeMessage(call, { chunk: pack(piece) }, signal)
    }),
    importRun: clientStream(logger, drain, async (call, signal) => ({
      run: writeRun(await readImport(call, signal, (runId, bytes) => registry.import(runId, bytes))),
    })),
    streamSelections: serverStream(logger, drain, async (call, signal) => {
      const held = await registry.selections(call.request.runId)
      for (const each of held) await writeMessage(call, { selection: writeSelection(each) }, signal)
    }),
    streamStatistics: serverStream(logger, drain, async (call, signal) =>
      writeStatistics(call, await registry.statistics(call.request.runId), signal),
    ),
  }
}

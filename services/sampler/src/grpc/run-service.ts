import type { RunServiceServer } from '@keepset/proto'
import type { Logger } from 'pino'
import type { RunRegistry } from '../runs/run-registry.js'
import { readPageToken, readRunSpec, writePageToken, writeRun } from './mapping.js'
import { unary } from './unary.js'

/** The life of runs over gRPC: a line an RPC. */
export function runService(registry: RunRegistry, logger: Logger, drain: AbortSignal): RunServiceServer {
  return {
    createRun: unary(logger, drain, async ({ runId, spec }) => ({
      run: writeRun(await registry.create(runId, readRunSpec(spec))),
    })),
    getRun: unary(logger, drain, async ({ runId }) => ({ run: writeRun(await registry.get(runId).read()) })),
    listRuns: unary(logger, drain, async ({ pageSize, pageToken }) => {
      const { runs, hasMore } = await registry.list(pageSize, readPageToken(pageToken))
      return { runs: runs.map(writeRun), nextPageToken: hasMore ? writePageToken(runs.at(-1)?.runId ?? '') : '' }
    }),
    finishRun: unary(logger, drain, async ({ runId }) => ({ run: writeRun(await registry.get(runId).finish()) })),
    deleteRun: unary(logger, drain, async ({ runId }) => {
      await registry.delete(runId)
      return {}
    }),
  }
}

import type { LossReport, LossReportAck, SamplerServiceServer } from '@keepset/proto'
import type { Logger } from 'pino'
import { invalidField } from '../runs/run-error.js'
import type { RunRegistry } from '../runs/run-registry.js'
import { answerTime } from './answer-time.js'
import { withCallSignal } from './call-signal.js'
import { readReport, writeAck } from './mapping.js'
import { writePlan } from './plan-stream.js'
import { serveReportStream } from './report-stream.js'
import { toStatus } from './status.js'
import { unary } from './unary.js'

/** Plans out, losses in, over gRPC. Waits and streams end with the reason of `drain` when that aborts. */
export function samplerService(registry: RunRegistry, logger: Logger, drain: AbortSignal): SamplerServiceServer {
  const accept = async (report: LossReport | undefined): Promise<LossReportAck> => {
    if (!report) throw invalidField('report', 'report is not set; send one')
    return writeAck(report, await registry.get(report.runId).report(readReport(report)))
  }
  return {
    planEpoch: async (call) => {
      const { runId, worldSize = 1, maxWaitMs = Number.POSITIVE_INFINITY, ...request } = call.request
      try {
        await withCallSignal(call, drain, async (signal) => {
          const owner = registry.get(runId)
          const waitMs = Math.min(maxWaitMs, answerTime(call.getDeadline()))
          const plan = await owner.planEpoch({ ...request, worldSize }, waitMs, signal)
          await writePlan(call, owner.run, plan, signal)
        })
        call.end()
      } catch (error) {
        if (!call.cancelled) call.emit('error', toStatus(error, logger))
      }
    },
    reportLosses: unary(logger, drain, async ({ report }) => ({ ack: await accept(report) })),
    streamReports: (call) =>
      serveReportStream(call, drain, accept, (error) => call.emit('error', toStatus(error, logger))),
  }
}

import type { handleServerStreamingCall } from '@grpc/grpc-js'
import type { LossReport, LossReportAck, PlanEpochRequest, SamplerServiceServer } from '@keepset/proto'
import type { Logger } from 'pino'
import { invalidField } from '../runs/run-error.js'
import type { RunRegistry } from '../runs/run-registry.js'
import { answerTime } from './answer-time.js'
import { readReport, writeAck, writePlanHeader, writeScoreHeader } from './mapping.js'
import { writePlan } from './plan-stream.js'
import { serveReportStream } from './report-stream.js'
import { serverStream } from './server-stream.js'
import { toStatus } from './status.js'
import { unary } from './unary.js'

/** The handlers of the calls of {@link samplerDefinition}. */
type SamplerHandlers = Pick<SamplerServiceServer, 'reportLosses' | 'streamReports'> & {
  planEpoch: handleServerStreamingCall<PlanEpochRequest, Buffer>
}

/** Plans out, losses in, over gRPC. Waits and streams end with the reason of `drain` when that aborts. */
export function samplerService(registry: RunRegistry, logger: Logger, drain: AbortSignal): SamplerHandlers {
  const accept = async (report: LossReport | undefined): Promise<LossReportAck> => {
    if (!report) throw invalidField('report', 'report is not set; send one')
    const found = registry.owner(report.runId)
    // At once where the run is in memory; where it is being loaded, reports go on in the order in which they came.
    const owner = found instanceof Promise ? await found : found
    return writeAck(report, await owner.report(readReport(report)))
  }
  return {
    planEpoch: serverStream(logger, drain, async (call, signal) => {
      const { runId, worldSize = 1, maxWaitMs = Number.POSITIVE_INFINITY, scoreOnly, ...request } = call.request
      const owner = await registry.owner(runId)
      if (scoreOnly) {
        const plan = await owner.planScoring({ ...request, worldSize })
        const header = writeScoreHeader(plan, await owner.appliedSequence(plan, request.rank))
        const sharding = plan.scoreSharding ?? plan.sharding
        await writePlan(call, header, { order: plan.scoreOrder(), weights: undefined, sharding }, signal)
        return
      }
      const waitMs = Math.min(maxWaitMs, answerTime(call.getDeadline()))
      const plan = await owner.planEpoch({ ...request, worldSize }, waitMs, signal)
      // Held: it goes when every rank has its part, which another call of this one may see to.
      const { order, weights, sharding } = plan
      const header = writePlanHeader(plan, await owner.appliedSequence(plan, request.rank))
      await writePlan(call, header, { order, weights, sharding }, signal)
      owner.served(plan, request.rank)
    }),
    reportLosses: unary(logger, drain, async ({ report }) => ({ ack: await accept(report) })),
    streamReports: (call) =>
      serveReportStream(call, drain, accept, (error) => call.emit('error', toStatus(error, logger))),
  }
}

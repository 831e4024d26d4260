import type { handleServerStreamingCall } from '@grpc/grpc-js'
import type { LossReport, LossReportAck, PlanEpochRequest, SamplerServiceServer } from '@keepset/proto'
import type { Logger } from 'pino'
import { LeftOutWalk } from '../core/plans/left-out-walk.js'
import { invalidField } from '../runs/run-error.js'
import type { RunRegistry } from '../runs/run-registry.js'
import { answerTime } from './answer-time.js'
import { readReport, writeAck, writePlanHeader, writeScoreHeader } from './mapping.js'
import { orderedPositions, writePlan } from './plan-stream.js'
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
      const { rank } = request
      if (scoreOnly) {
        const plan = await owner.planScoring({ ...request, worldSize })
        const header = writeScoreHeader(plan, rank, await owner.appliedSequence(plan, rank))
        const walk = plan.keptSet && new LeftOutWalk(plan.keptSet, rank, worldSize, request.startPosition)
        await writePlan(call, header, (indices) => walk?.fill(indices), signal)
        return
      }
      const waitMs = Math.min(maxWaitMs, answerTime(call.getDeadline()))
      const plan = await owner.planEpoch({ ...request, worldSize }, waitMs, signal)
      // Held: it goes when every rank has its part, which another call of this one may see to.
      const positions = orderedPositions(plan.order, plan.weights, rank, plan.sharding)
      const header = writePlanHeader(plan, rank, await owner.appliedSequence(plan, rank))
      await writePlan(call, header, positions, signal)
      owner.served(plan, rank)
    }),
    reportLosses: unary(logger, drain, async ({ report }) => ({ ack: await accept(report) })),
    streamReports: (call) =>
      serveReportStream(call, drain, accept, (error) => call.emit('error', toStatus(error, logger))),
  }
}

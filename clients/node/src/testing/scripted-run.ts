import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js'
import {
  type LossReport,
  type PlanEpochRequest,
  type PlanEpochResponse,
  PlanHeader,
  PlanReason,
  type StreamReportsRequest,
  type StreamReportsResponse,
} from '@keepset/proto'
import type { Connection, ConnectionSettings } from '../connection.js'
import { pack } from '../packed.js'
import { Run } from '../run.js'
import { testConnection } from './connection.js'
import { type Script, type ScriptedSampler, startScriptedSampler } from './scripted-sampler.js'

type PlanCall = ServerWritableStream<PlanEpochRequest, PlanEpochResponse>
type ReportCall = ServerDuplexStream<StreamReportsRequest, StreamReportsResponse>

interface RunScript {
  /** Holds the answers to reports back. */
  readonly mayAcknowledge?: Promise<void>
  /** Reports that each plan's rank is said to have sent before. Default 0. */
  readonly appliedSequence?: number
  /** Positions of each plan, their indices 0, 1, 2, … Default none. */
  readonly positionCount?: number
  /** What follows on the chunk of a plan. Default: its end. */
  readonly endPlan?: (call: PlanCall) => void
  readonly settings?: Partial<ConnectionSettings>
  /** Further calls, or others in place of those here. */
  readonly script?: Script
}

const started: { sampler: ScriptedSampler; connection: Connection }[] = []

/** Stops what {@link startRun} has started. */
export function stopRuns(): void {
  for (const { sampler, connection } of started.splice(0)) {
    connection.close()
    sampler.stop()
  }
}

/** A run in its first generation of a scripted sampler, with what that was asked and told. */
export async function startRun(options: RunScript = {}) {
  const {
    mayAcknowledge,
    appliedSequence = 0,
    positionCount = 0,
    endPlan = (call) => call.end(),
    settings,
    script,
  } = options
  const asked: PlanEpochRequest[] = []
  const reported: LossReport[] = []
  const sampler = await startScriptedSampler({
    planEpoch: (call: PlanCall) => {
      asked.push(call.request)
      const { epoch, rank, generation } = call.request
      const reason = PlanReason.PLAN_REASON_WARMUP
      const last = reported.findLast(
        (report) => report.epoch === epoch && report.rank === rank && report.generation === generation,
      )
      const header = PlanHeader.fromPartial({
        epoch,
        generation,
        positionCount,
        reason,
        digest: Buffer.from('same'),
        appliedSequence: last?.sequence ?? appliedSequence,
      })
      call.write({ part: { $case: 'header', value: header } })
      const sampleIndices = pack(Uint32Array.from({ length: positionCount }, (_, index) => index))
      call.write({ part: { $case: 'chunk', value: { startPosition: 0, sampleIndices } } })
      endPlan(call)
    },
    streamReports: (call: ReportCall) => {
      call.on('end', () => call.end())
      call.on('data', async ({ report }: StreamReportsRequest) => {
        if (!report) return
        reported.push(report)
        const { epoch, rank, sequence } = report
        await mayAcknowledge
        call.write({
          acks: [{ epoch, rank, sequence, duplicate: false, observationCount: 1, nonFiniteCount: 0, repeatCount: 0 }],
        })
      })
    },
    ...script,
  })
  const connection = testConnection(sampler.address, settings)
  started.push({ sampler, connection })
  return { run: new Run(connection, { runId: 'r', generation: 1 }), connection, asked, reported }
}

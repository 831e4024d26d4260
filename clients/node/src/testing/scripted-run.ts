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
import type { ScoreSource } from '../run-settings.js'
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
  /** Positions of each plan of what is to be scored, their indices those that follow. Default none. */
  readonly scoreCount?: number
  /** Answers who asks for what is to be scored, in place of those positions. */
  readonly answerScoring?: (call: PlanCall) => void
  /** Whether plans have weights: that of sample i is i + 0.5. Default false. */
  readonly hasWeights?: boolean
  /** Default 'loss'. */
  readonly scoreSource?: ScoreSource
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
    scoreCount = 0,
    answerScoring,
    hasWeights = false,
    scoreSource = 'loss',
    endPlan = (call) => call.end(),
    settings,
    script,
  } = options
  const asked: PlanEpochRequest[] = []
  const reported: LossReport[] = []
  const sampler = await startScriptedSampler({
    planEpoch: (call: PlanCall) => {
      asked.push(call.request)
      if (call.request.scoreOnly && answerScoring) {
        answerScoring(call)
        return
      }
      const { epoch, rank, generation, startPosition, scoreOnly } = call.request
      const [firstIndex, count] = scoreOnly ? [positionCount, scoreCount] : [0, positionCount]
      const reason = PlanReason.PLAN_REASON_WARMUP
      const last = reported.findLast(
        (report) => report.epoch === epoch && report.rank === rank && report.generation === generation,
      )
      const header = PlanHeader.fromPartial({
        epoch,
        generation,
        positionCount: count,
        scoreCount,
        scoreOnly,
        hasWeights: hasWeights && !scoreOnly,
        reason,
        digest: Buffer.from('same'),
        appliedSequence: last?.sequence ?? appliedSequence,
      })
      call.write({ part: { $case: 'header', value: header } })
      const indices = Uint32Array.from({ length: count - startPosition }, (_, i) => firstIndex + startPosition + i)
      const weights = hasWeights && !scoreOnly ? Float32Array.from(indices, (index) => index + 0.5) : new Float32Array()
      const chunk = { startPosition, sampleIndices: pack(indices), weights: pack(weights) }
      call.write({ part: { $case: 'chunk', value: chunk } })
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
  return {
    run: new Run(connection, { runId: 'r', generation: 1, settings: { scoreSource } }),
    connection,
    asked,
    reported,
  }
}

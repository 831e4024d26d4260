import type { ServerWritableStream } from '@grpc/grpc-js'
import type { PlanEpochRequest, PlanEpochResponse } from '@keepset/proto'
import { positionCount, rankPositions } from '../core/plans/sharding.js'
import type { Plan } from '../runs/plan.js'
import type { Run } from '../runs/run.js'
import { packIndices, writePlanHeader } from './mapping.js'

type PlanCall = ServerWritableStream<PlanEpochRequest, PlanEpochResponse>

/** Positions of a chunk: 512 KiB of indices. */
const CHUNK_POSITIONS = 0x20000

/** Resolves when the message is handed to the connection: a slow reader holds one message here, not its whole plan. */
async function write(call: PlanCall, message: PlanEpochResponse, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted() // The callback of a write to a call that is over never comes.
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    call.write(message, (error: Error | null | undefined) => {
      signal.removeEventListener('abort', abort)
      if (error) reject(error)
      else resolve()
    })
  })
}

/** Writes the header and the rank's positions from `request.startPosition` on. Stops with the signal's reason when that aborts. */
export async function writePlan(call: PlanCall, run: Run, plan: Plan, signal: AbortSignal): Promise<void> {
  const { rank, startPosition: start } = call.request
  const positions = positionCount(plan.keptCount, plan.sharding)
  await write(call, { part: { $case: 'header', value: writePlanHeader(run, plan) } }, signal)
  for (let startPosition = start; startPosition < positions; startPosition += CHUNK_POSITIONS) {
    const end = Math.min(startPosition + CHUNK_POSITIONS, positions)
    const sampleIndices = packIndices(rankPositions(plan.order, rank, plan.sharding, startPosition, end))
    await write(call, { part: { $case: 'chunk', value: { startPosition, sampleIndices } } }, signal)
  }
}

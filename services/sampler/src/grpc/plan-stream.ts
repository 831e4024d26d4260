import type { ServerWritableStream } from '@grpc/grpc-js'
import type { PlanEpochRequest, PlanEpochResponse } from '@keepset/proto'
import { positionCount, rankPositions } from '../core/plans/sharding.js'
import type { Plan } from '../runs/plan.js'
import { pack, writePlanHeader } from './mapping.js'
import { writeMessage } from './write-message.js'

type PlanCall = ServerWritableStream<PlanEpochRequest, PlanEpochResponse>

/** Positions of a chunk: 512 KiB of indices. */
const CHUNK_POSITIONS = 0x20000

/** Writes the header and the rank's positions from `request.startPosition` on. Stops with the signal's reason when that aborts. */
export async function writePlan(
  call: PlanCall,
  sampleCount: number,
  plan: Plan,
  order: Uint32Array,
  appliedSequence: number,
  signal: AbortSignal,
): Promise<void> {
  const { rank, startPosition: start } = call.request
  const positions = positionCount(plan.keptCount, plan.sharding)
  await writeMessage(
    call,
    { part: { $case: 'header', value: writePlanHeader(sampleCount, plan, appliedSequence) } },
    signal,
  )
  for (let startPosition = start; startPosition < positions; startPosition += CHUNK_POSITIONS) {
    const end = Math.min(startPosition + CHUNK_POSITIONS, positions)
    const sampleIndices = pack(rankPositions(order, rank, plan.sharding, startPosition, end))
    await writeMessage(call, { part: { $case: 'chunk', value: { startPosition, sampleIndices } } }, signal)
  }
}

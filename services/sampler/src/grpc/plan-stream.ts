import type { ServerWritableStream } from '@grpc/grpc-js'
import type { PlanEpochRequest } from '@keepset/proto'
import { copyRankPositions, positionCount } from '../core/plans/sharding.js'
import type { Plan } from '../runs/plan.js'
import { writePlanHeader } from './mapping.js'
import { encodePlanHeader, PlanChunkEncoder } from './plan-messages.js'
import { writeMessage } from './write-message.js'

/** A call of PlanEpoch as {@link samplerDefinition} has it: it takes encoded messages. */
export type PlanCall = ServerWritableStream<PlanEpochRequest, Buffer>

/** Positions of a chunk: 999,424 bytes of indices, and the fields around them; a message may have 1 MB. */
export const CHUNK_POSITIONS = 0x3d000

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
  await writeMessage(call, encodePlanHeader(writePlanHeader(sampleCount, plan, appliedSequence)), signal)
  // All chunks in the same memory: a message that is handed to the connection has been copied there.
  const encoder = new PlanChunkEncoder(Math.min(CHUNK_POSITIONS, positions - start))
  for (let startPosition = start; startPosition < positions; startPosition += CHUNK_POSITIONS) {
    const count = Math.min(CHUNK_POSITIONS, positions - startPosition)
    const message = encoder.encode(startPosition, count, (indices) =>
      copyRankPositions(order, rank, plan.sharding, startPosition, indices),
    )
    await writeMessage(call, message, signal)
  }
}

import type { ServerWritableStream } from '@grpc/grpc-js'
import type { PlanEpochRequest, PlanHeader } from '@keepset/proto'
import { copyRankPositions, type Sharding } from '../core/plans/sharding.js'
import { encodePlanHeader, PlanChunkEncoder } from './plan-messages.js'
import { writeMessage } from './write-message.js'

/** A call of PlanEpoch as {@link samplerDefinition} has it: it takes encoded messages. */
export type PlanCall = ServerWritableStream<PlanEpochRequest, Buffer>

/** Positions of a chunk: 999,424 bytes of indices, and the fields around them; a message may have 1 MB. */
export const CHUNK_POSITIONS = 0x3d000

/** Writes the indices of a plan's next positions, and their weights where it has any. */
export type Positions = (indices: Uint32Array, weights: Float32Array, start: number) => void

/** The positions of a rank in an order over all ranks, and what each place of the order weighs. */
export function orderedPositions(
  order: Uint32Array,
  weights: Float32Array | undefined,
  rank: number,
  sharding: Sharding,
): Positions {
  return (indices, ofIndices, start) => {
    copyRankPositions(order, rank, sharding, start, indices)
    if (weights) copyRankPositions(weights, rank, sharding, start, ofIndices)
  }
}

/** Writes the header and the rank's positions from `request.startPosition` on, in order. Stops with the signal's reason when that aborts. */
export async function writePlan(
  call: PlanCall,
  header: PlanHeader,
  positions: Positions,
  signal: AbortSignal,
): Promise<void> {
  const { startPosition: start } = call.request
  const { positionCount: end, hasWeights } = header
  await writeMessage(call, encodePlanHeader(header), signal)
  const chunk = hasWeights ? CHUNK_POSITIONS / 2 : CHUNK_POSITIONS
  // All chunks in the same memory: a message that is handed to the connection has been copied there.
  const encoder = new PlanChunkEncoder(Math.min(chunk, end - start), hasWeights)
  for (let startPosition = start; startPosition < end; startPosition += chunk) {
    const count = Math.min(chunk, end - startPosition)
    const message = encoder.encode(startPosition, count, (indices, weights) =>
      positions(indices, weights, startPosition),
    )
    await writeMessage(call, message, signal)
  }
}

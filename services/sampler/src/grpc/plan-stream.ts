import type { ServerWritableStream } from '@grpc/grpc-js'
import type { PlanEpochRequest, PlanHeader } from '@keepset/proto'
import { copyRankPositions, type Sharding } from '../core/plans/sharding.js'
import { encodePlanHeader, PlanChunkEncoder } from './plan-messages.js'
import { writeMessage } from './write-message.js'

/** A call of PlanEpoch as {@link samplerDefinition} has it: it takes encoded messages. */
export type PlanCall = ServerWritableStream<PlanEpochRequest, Buffer>

/** Positions of a chunk: 999,424 bytes of indices, and the fields around them; a message may have 1 MB. */
export const CHUNK_POSITIONS = 0x3d000

/** An order over all ranks, and how it is shared out. */
export interface RankedOrder {
  readonly order: Uint32Array
  /** Of each place of the order. */
  readonly weights: Float32Array | undefined
  readonly sharding: Sharding
}

/** Writes the header and the rank's positions from `request.startPosition` on. Stops with the signal's reason when that aborts. */
export async function writePlan(
  call: PlanCall,
  header: PlanHeader,
  { order, weights, sharding }: RankedOrder,
  signal: AbortSignal,
): Promise<void> {
  const { rank, startPosition: start } = call.request
  const positions = header.positionCount
  await writeMessage(call, encodePlanHeader(header), signal)
  const chunk = weights ? CHUNK_POSITIONS / 2 : CHUNK_POSITIONS
  // All chunks in the same memory: a message that is handed to the connection has been copied there.
  const encoder = new PlanChunkEncoder(Math.min(chunk, positions - start), weights !== undefined)
  for (let startPosition = start; startPosition < positions; startPosition += chunk) {
    const count = Math.min(chunk, positions - startPosition)
    const message = encoder.encode(startPosition, count, (indices, ofIndices) => {
      copyRankPositions(order, rank, sharding, startPosition, indices)
      if (weights) copyRankPositions(weights, rank, sharding, startPosition, ofIndices)
    })
    await writeMessage(call, message, signal)
  }
}

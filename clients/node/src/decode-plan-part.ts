import { PlanEpochResponse } from '@keepset/proto'

/** Tags of the fields: PlanEpochResponse.chunk, PlanChunk.start_position, PlanChunk.sample_indices, PlanChunk.weights. */
const CHUNK_TAG = 0x12
const START_POSITION_TAG = 0x08
const SAMPLE_INDICES_TAG = 0x12
const WEIGHTS_TAG = 0x1a

const nothing = Buffer.alloc(0)

/**
 * Decodes a part of a plan. The indices and the weights of a chunk are views of the message, where the generated decoder copies them. What is
 * not just a chunk, its fields once and in their order, is left to that.
 */
export function decodePlanPart(message: Buffer): PlanEpochResponse {
  return decodeChunk(message) ?? PlanEpochResponse.decode(message)
}

function decodeChunk(message: Buffer): PlanEpochResponse | undefined {
  let at = 0
  /** The next byte is this tag: then it is passed. */
  const passes = (tag: number) => message[at] === tag && ++at > 0
  /** The varint that comes next, as far as it is a number that a u32 can hold. */
  const number = () => {
    let value = 0
    for (let shift = 1; shift <= 2 ** 28; shift *= 2 ** 7) {
      const byte = message[at++] ?? 0
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
    return Number.NaN
  }
  /** The bytes that come next after their length; where the message has fewer, this ends past it. */
  const bytes = () => {
    const length = number()
    const start = at
    at += length
    return message.subarray(start, at)
  }
  if (!passes(CHUNK_TAG) || number() !== message.length - at) return undefined
  const startPosition = passes(START_POSITION_TAG) ? number() : 0
  if (!(startPosition <= 0xffffffff)) return undefined
  if (!passes(SAMPLE_INDICES_TAG)) return undefined
  const sampleIndices = bytes()
  const weights = passes(WEIGHTS_TAG) ? bytes() : nothing
  if (at !== message.length) return undefined
  return { part: { $case: 'chunk', value: { startPosition, sampleIndices, weights } } }
}

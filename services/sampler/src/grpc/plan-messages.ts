import { PlanEpochResponse, type PlanHeader } from '@keepset/proto'

/** The first message of a plan's stream, as bytes of the wire. */
export function encodePlanHeader(header: PlanHeader): Buffer {
  return Buffer.from(PlanEpochResponse.encode({ part: { $case: 'header', value: header } }).finish())
}

/** Tags of the fields: PlanEpochResponse.chunk, PlanChunk.start_position, PlanChunk.sample_indices, PlanChunk.weights. */
const CHUNK_TAG = 0x12
const START_POSITION_TAG = 0x08
const SAMPLE_INDICES_TAG = 0x12
const WEIGHTS_TAG = 0x1a

/** Room before the indices: three tags and three numbers of 5 bytes at most, and what brings the indices to a multiple of 4. */
const HEAD_BYTES = 20

/** Room between the indices and the weights: a tag and a number. */
const WEIGHTS_HEAD_BYTES = 6

/**
 * Makes messages of chunks, as bytes of the wire, where the generated encoder copies the indices six times. They all lie in
 * the same memory: a message is good until the next one is made.
 */
export class PlanChunkEncoder {
  readonly #bytes: Buffer
  readonly #indices: Uint32Array
  readonly #weights: Float32Array

  /** `maxPositions`: of a chunk, at most. */
  constructor(maxPositions: number, hasWeights = false) {
    const weightBytes = hasWeights ? WEIGHTS_HEAD_BYTES + 4 * maxPositions : 0
    this.#bytes = Buffer.allocUnsafeSlow(HEAD_BYTES + 4 * maxPositions + weightBytes)
    this.#indices = new Uint32Array(this.#bytes.buffer, HEAD_BYTES, maxPositions)
    this.#weights = new Float32Array(hasWeights ? maxPositions : 0)
  }

  /** The message of the `count` positions from `startPosition` on; `fill` writes their indices, and their weights where there are any. */
  encode(startPosition: number, count: number, fill: (indices: Uint32Array, weights: Float32Array) => void): Buffer {
    const weights = this.#weights.subarray(0, count)
    fill(this.#indices.subarray(0, count), weights)
    // From the indices towards the front: each length counts what follows it.
    const end = this.#appendWeights(HEAD_BYTES + 4 * count, weights)
    let at = this.#writeNumberBefore(HEAD_BYTES, 4 * count)
    this.#bytes[--at] = SAMPLE_INDICES_TAG
    // A field that is 0 is not written.
    if (startPosition > 0) {
      at = this.#writeNumberBefore(at, startPosition)
      this.#bytes[--at] = START_POSITION_TAG
    }
    at = this.#writeNumberBefore(at, end - at)
    this.#bytes[--at] = CHUNK_TAG
    return this.#bytes.subarray(at, end)
  }

  /** Writes the weights where the indices end. Returns where they end. */
  #appendWeights(begin: number, weights: Float32Array): number {
    if (weights.length === 0) return begin
    const size = varintBytes(weights.byteLength)
    this.#bytes[begin] = WEIGHTS_TAG
    this.#writeNumberBefore(begin + 1 + size, weights.byteLength)
    const bytes = new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength)
    this.#bytes.set(bytes, begin + 1 + size)
    return begin + 1 + size + weights.byteLength
  }

  /** Writes a u32 as a varint that ends before `end`. Returns where it begins. */
  #writeNumberBefore(end: number, value: number): number {
    const begin = end - varintBytes(value)
    let at = begin
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.#bytes[at++] = (rest & 0x7f) | 0x80
    this.#bytes[at] = rest
    return begin
  }
}

/** Bytes of a u32 as a varint: 7 bits in each. */
function varintBytes(value: number): number {
  return Math.max(1, Math.ceil((32 - Math.clz32(value)) / 7))
}

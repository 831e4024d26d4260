import { PlanEpochResponse, type PlanHeader } from '@keepset/proto'

/** The first message of a plan's stream, as bytes of the wire. */
export function encodePlanHeader(header: PlanHeader): Buffer {
  return Buffer.from(PlanEpochResponse.encode({ part: { $case: 'header', value: header } }).finish())
}

/** Tags of the fields: PlanEpochResponse.chunk, PlanChunk.start_position, PlanChunk.sample_indices. */
const CHUNK_TAG = 0x12
const START_POSITION_TAG = 0x08
const SAMPLE_INDICES_TAG = 0x12

/** Room before the indices: three tags and three numbers of 5 bytes at most, and what brings the indices to a multiple of 4. */
const HEAD_BYTES = 20

/**
 * Makes messages of chunks, as bytes of the wire, where the generated encoder copies the indices six times. They all lie in
 * the same memory: a message is good until the next one is made.
 */
export class PlanChunkEncoder {
  readonly #bytes: Buffer
  readonly #indices: Uint32Array

  /** `maxPositions`: of a chunk, at most. */
  constructor(maxPositions: number) {
    this.#bytes = Buffer.allocUnsafeSlow(HEAD_BYTES + 4 * maxPositions)
    this.#indices = new Uint32Array(this.#bytes.buffer, HEAD_BYTES, maxPositions)
  }

  /** The message of the `count` positions from `startPosition` on; `fill` writes their indices. */
  encode(startPosition: number, count: number, fill: (indices: Uint32Array) => void): Buffer {
    fill(this.#indices.subarray(0, count))
    // From the indices towards the front: each length counts what follows it.
    const end = HEAD_BYTES + 4 * count
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

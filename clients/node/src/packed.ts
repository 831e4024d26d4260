import { endianness } from 'node:os'

/** The wire is little-endian; a big-endian machine swaps the bytes of every element. */
const mustSwap = endianness() === 'BE'

/** Packs into fresh bytes of the wire: the array can change afterwards. */
export function pack(array: Uint32Array | Float32Array): Buffer {
  return bytesOnWire(array.slice())
}

/** An array as the wire has it. Where this machine has it in the same order these are the array's own bytes, so it must not change while they are in use. */
export function bytesOnWire({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array): Buffer {
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return mustSwap ? Buffer.from(bytes).swap32() : bytes
}

/** Copies bytes of any alignment to this machine's elements of 4 bytes. */
function copyElements(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes)
  if (mustSwap) Buffer.from(copy.buffer).swap32()
  return copy.buffer
}

/** Unpacks little-endian u32 out of bytes of any alignment, as a copy. The length must be a multiple of 4. */
export function unpackU32(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
  return new Uint32Array(copyElements(bytes))
}

/** Unpacks little-endian f32 out of bytes of any alignment, as a copy. The length must be a multiple of 4. */
export function unpackF32(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  return new Float32Array(copyElements(bytes))
}

/** Unpacks little-endian u32 out of bytes of any alignment to `target`, from element `start` on. Returns how many. The length must be a multiple of 4. */
export function unpackU32To(target: Uint32Array, start: number, bytes: Uint8Array): number {
  const part = Buffer.from(target.buffer, target.byteOffset + 4 * start, bytes.length)
  part.set(bytes)
  if (mustSwap) part.swap32()
  return bytes.length / 4
}

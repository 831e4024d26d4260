import { endianness } from 'node:os'

/** The wire is little-endian; a big-endian machine swaps the bytes of every element. */
const mustSwap = endianness() === 'BE'

/** Packs into fresh bytes of the wire: the array can change afterwards. */
export function pack(array: Uint32Array | Float32Array): Buffer {
  const bytes = Buffer.from(array.slice().buffer)
  return mustSwap ? bytes.swap32() : bytes
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

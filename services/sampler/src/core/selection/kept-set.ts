/** A set of samples, a bit each: sample i is bit i & 7 of byte i >>> 3. A sample whose byte is not there is not in the set. Never changes. */
export class KeptSet {
  readonly bits: Uint8Array
  /** Samples in the set. */
  readonly count: number
  /** Weight of each sample's loss, in ascending order of the samples; undefined: 1 for all. */
  readonly weights: Float32Array | undefined

  /** `count` is the number of bits that are set; all are the set's from then on. */
  constructor(bits: Uint8Array, count: number, weights?: Float32Array) {
    this.bits = bits
    this.count = count
    this.weights = weights
  }

  /** The set of these samples, which are distinct, in any order, and below `sampleCount`. */
  static of(indices: ArrayLike<number>, sampleCount: number): KeptSet {
    const bits = new Uint8Array(bitBytes(sampleCount))
    for (let i = 0; i < indices.length; i++) addBit(bits, indices[i] as number)
    return new KeptSet(bits, indices.length)
  }

  has(index: number): boolean {
    return (((this.bits[index >>> 3] ?? 0) >>> (index & 7)) & 1) === 1
  }

  /** The samples in ascending order. */
  indices(): Uint32Array {
    const indices = new Uint32Array(this.count)
    let found = 0
    for (let byte = 0; byte < this.bits.length; byte++) {
      for (let rest = this.bits[byte] as number; rest !== 0; rest &= rest - 1) {
        indices[found++] = byte * 8 + (31 - Math.clz32(rest & -rest))
      }
    }
    return indices
  }
}

/** Bytes of a bit for each sample: whole words of 32 bits. */
export const bitBytes = (sampleCount: number) => 4 * Math.ceil(sampleCount / 32)

/** Sets the bit of a sample. */
export function addBit(bits: Uint8Array, index: number): void {
  bits[index >>> 3] = (bits[index >>> 3] as number) | (1 << (index & 7))
}

/** Number of bits that are set. */
export function countBits(bits: Uint8Array): number {
  let count = 0
  for (let i = 0; i < bits.length; i++) {
    for (let rest = bits[i] as number; rest !== 0; rest &= rest - 1) count++
  }
  return count
}

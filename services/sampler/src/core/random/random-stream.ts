/** What a random stream is for: two purposes never share a stream, so that a change to one leaves the others as they were. */
export const purpose = { order: 1, draw: 2, ties: 3, explore: 4 } as const
export type Purpose = (typeof purpose)[keyof typeof purpose]

/** What a random stream is of. Streams of different keys are independent. */
export interface RandomKey {
  /** u64 */
  readonly seed: bigint
  readonly epoch: number
  readonly purpose: Purpose
}

const MULTIPLIER_0 = 0xd2511f53
const MULTIPLIER_1 = 0xcd9e8d57
const WEYL_0 = 0x9e3779b9
const WEYL_1 = 0xbb67ae85
const ROUNDS = 10

/** High 32 bits of a * b for u32 a and b: both products have at most 48 bits, so doubles hold them exactly. */
function multiplyHigh(a: number, b: number): number {
  const high = (a >>> 16) * b
  const low = (a & 0xffff) * b
  return ((high + ((low / 0x10000) >>> 0)) / 0x10000) >>> 0
}

/**
 * One Philox4x32-10 block: writes four u32 to `output`.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export function philox4x32(
  output: Uint32Array,
  key: readonly [number, number],
  counter: readonly [number, number, number, number],
): void {
  let [key0, key1] = key
  let [x0, x1, x2, x3] = counter
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(x0, MULTIPLIER_0)
    const low0 = Math.imul(x0, MULTIPLIER_0)
    const high1 = multiplyHigh(x2, MULTIPLIER_1)
    const low1 = Math.imul(x2, MULTIPLIER_1)
    x0 = (high1 ^ x1 ^ key0) >>> 0
    x1 = low1
    x2 = (high0 ^ x3 ^ key1) >>> 0
    x3 = low0
    key0 = (key0 + WEYL_0) | 0
    key1 = (key1 + WEYL_1) | 0
  }
  output[0] = x0
  output[1] = x1
  output[2] = x2
  output[3] = x3
}

/**
 * The random numbers of one (seed, epoch, purpose), always the same ones.
 * Philox with key = seed and counter = (block, epoch, purpose, 0); 2^34 numbers before it repeats.
 */
export class RandomStream {
  readonly #key: readonly [number, number]
  readonly #counter: [number, number, number, number]
  readonly #block = new Uint32Array(4)
  #used = 4

  /** @param seed u64 */
  constructor(seed: bigint, epoch: number, streamPurpose: Purpose) {
    this.#key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)]
    this.#counter = [0, epoch, streamPurpose, 0]
  }

  /** The next number, uniform over all u32. */
  next(): number {
    if (this.#used === 4) {
      philox4x32(this.#block, this.#key, this.#counter)
      this.#counter[0]++
      this.#used = 0
    }
    return this.#block[this.#used++] as number
  }

  /**
   * An integer uniform in [0, n), without bias, for 1 <= n < 2^32.
   * Source: Lemire, "Fast random integer generation in an interval", 2019.
   */
  below(n: number): number {
    for (;;) {
      const x = this.next()
      const low = Math.imul(x, n) >>> 0
      // The division is needed only where low < n, since the bound of rejection is below n.
      if (low >= n || low >= (0x100000000 - n) % n) return multiplyHigh(x, n)
    }
  }
}

/** The stream of a key. */
export function openStream({ seed, epoch, purpose }: RandomKey): RandomStream {
  return new RandomStream(seed, epoch, purpose)
}

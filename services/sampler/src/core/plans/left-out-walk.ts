import type { KeptSet } from '../selection/kept-set.js'

/** Of each byte the bits that are not set. */
const absentBits = Uint8Array.from({ length: 256 }, (_, byte) => 8 - countOnes(byte))

function countOnes(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}

/** Number of the samples that a set leaves out which are the rank's to score. */
export function leftOutCount(keptSet: KeptSet, sampleCount: number, rank: number, worldSize: number): number {
  return Math.max(0, Math.ceil((sampleCount - keptSet.count - rank) / worldSize))
}

/**
 * Gives the samples that a set leaves out, in ascending order, those of one rank: the rank-th of them, the (rank + W)-th, and so on. It makes no list: what a rank asks for
 * in pieces takes no more memory than a piece, and no more time at once.
 */
export class LeftOutWalk {
  readonly #keptSet: KeptSet
  readonly #stride: number
  /** The next sample to look at. */
  #index = 0
  /** Left-out samples to pass before the next one that is the rank's. */
  #toPass: number

  /** `start`: how many of the rank's own have been given before. */
  constructor(keptSet: KeptSet, rank: number, worldSize: number, start = 0) {
    this.#keptSet = keptSet
    this.#stride = worldSize
    this.#toPass = rank + start * worldSize
  }

  /** Writes the next ones. There must be as many left. */
  fill(target: Uint32Array): void {
    const { bits } = this.#keptSet
    for (let filled = 0; filled < target.length; ) {
      const byte = bits[this.#index >>> 3] ?? 0
      const absent = absentBits[byte] as number
      if ((this.#index & 7) === 0 && absent <= this.#toPass) {
        this.#index += 8
        this.#toPass -= absent
        continue
      }
      if (((byte >>> (this.#index & 7)) & 1) === 0) {
        if (this.#toPass === 0) {
          target[filled++] = this.#index
          this.#toPass = this.#stride
        }
        this.#toPass--
      }
      this.#index++
    }
  }
}

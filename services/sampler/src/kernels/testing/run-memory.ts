import { bitBytes } from '../../core/selection/kept-set.js'
import { SCRATCH_BYTES } from '../../core/statistics/column-layout.js'
import { type ColumnOffsets, compileKernels, Kernels } from '../kernels.js'

const GUARD = 0xa5
const GUARD_BYTES = 64

/** A run's memory: columns, a set of samples, two lists of u32 and one of losses, with guards between them, as arrays and as offsets. */
export class RunMemory {
  readonly memory: WebAssembly.Memory
  readonly columns: ColumnOffsets
  readonly kernels: Kernels
  readonly bits: number
  readonly items: number
  readonly spare: number
  readonly losses: number
  readonly #guards: readonly Uint8Array[]
  readonly #listLength: number

  /** @param listLength room of the lists; as many as there are samples where it is not given */
  constructor(sampleCount: number, listLength = sampleCount) {
    const guards: number[] = []
    let end = SCRATCH_BYTES
    const reserve = (bytes: number) => {
      guards.push(end)
      const offset = end + GUARD_BYTES
      end = offset + Math.ceil(bytes / 16) * 16
      return offset
    }
    this.columns = {
      sampleCount,
      mean: reserve(4 * sampleCount),
      variance: reserve(4 * sampleCount),
      lastLoss: reserve(4 * sampleCount),
      observations: reserve(2 * sampleCount),
      timesKept: reserve(2 * sampleCount),
    }
    this.bits = reserve(bitBytes(sampleCount))
    this.items = reserve(4 * listLength)
    this.spare = reserve(4 * listLength)
    this.losses = reserve(4 * listLength)
    guards.push(end)
    this.memory = new WebAssembly.Memory({ initial: (end >>> 16) + 1, maximum: 65536, shared: true })
    this.#guards = guards.map((offset) => new Uint8Array(this.memory.buffer, offset, GUARD_BYTES).fill(GUARD))
    this.#listLength = listLength
    this.kernels = new Kernels(compileKernels(), this.memory, this.columns)
  }

  /** The columns as arrays. */
  arrays() {
    const { buffer } = this.memory
    const { sampleCount, mean, variance, lastLoss, observations, timesKept } = this.columns
    return {
      mean: new Float32Array(buffer, mean, sampleCount),
      variance: new Float32Array(buffer, variance, sampleCount),
      lastLoss: new Float32Array(buffer, lastLoss, sampleCount),
      observations: new Uint16Array(buffer, observations, sampleCount),
      timesKept: new Uint16Array(buffer, timesKept, sampleCount),
    }
  }

  bitArray(): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.bits, bitBytes(this.columns.sampleCount))
  }

  list(name: 'items' | 'spare'): Uint32Array {
    return new Uint32Array(this.memory.buffer, this[name], this.#listLength)
  }

  lossList(): Float32Array {
    return new Float32Array(this.memory.buffer, this.losses, this.#listLength)
  }

  /** The samples in the set. */
  taken(): number[] {
    const bits = this.bitArray()
    const all = Array.from({ length: bits.length * 8 }, (_, i) => i)
    return all.filter((i) => ((bits[i >>> 3] as number) >>> (i & 7)) & 1)
  }

  /** Whether nothing was written beside what is there to be written. */
  isIntact(): boolean {
    return this.#guards.every((guard) => guard.every((byte) => byte === GUARD))
  }
}

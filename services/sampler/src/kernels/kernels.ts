import type { RandomKey } from '../core/random/random-stream.js'
import { SPLIT_ABOVE } from '../core/random/shuffle.js'
import { type ColumnLayout, SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import type { StatisticsSettings } from '../core/statistics/sample-statistics.js'
import type { ObservedCounts } from '../core/statistics/statistics-kernel.js'
import { kernelsWasm } from './kernels-wasm.js'

/** The columns that the kernels work on: byte offsets at or past SCRATCH_BYTES, each padded up to the next multiple of 16. */
export type ColumnOffsets = Pick<
  ColumnLayout,
  'sampleCount' | 'mean' | 'variance' | 'lastLoss' | 'observations' | 'timesKept'
>

/** Losses of a report in the memory: where u32 indices and as many f32 losses begin. */
export interface LossBatch {
  readonly indices: number
  readonly losses: number
  readonly count: number
}

/** The exports of assembly/index.ts. */
interface Exports {
  addTop(...args: number[]): void
  addDrawn(...args: number[]): void
  drawWeighted(...args: number[]): void
  countKept(bits: number, timesKept: number, n: number): void
  expand(bits: number, n: number, indices: number): number
  iota(indices: number, n: number): void
  shuffle(...args: number[]): void
  observe(...args: number[]): void
}

const bytes = Buffer.from(kernelsWasm, 'base64')
let compiled: WebAssembly.Module | undefined

/** Whether this machine runs the kernels: WebAssembly with SIMD and shared memory. */
export function isSimdAvailable(): boolean {
  return WebAssembly.validate(bytes)
}

/** The module of the kernels, compiled when first asked for. It can be posted to a worker. */
export function compileKernels(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(bytes)
  return compiled
}

/** A key as the kernels take it, the seed in two. */
const wordsOf = ({ seed, epoch, purpose }: RandomKey) =>
  [Number(seed & 0xffffffffn), Number(seed >> 32n), epoch, purpose] as const

/**
 * The hot loops over the statistics of a run, in WebAssembly. Each decides exactly what its twin in core does, bit for bit.
 *
 * All they work on lies in one memory, which several instances may share (a worker's, the main thread's): an instance has no state between
 * calls, and writes nothing when it is made. `addTop`, `addDrawn`, `drawWeighted` and `shuffle` use the same scratch, so that only one of them may run on a
 * memory at a time; `observe` has its own. All offsets are in bytes. Sets of samples are as in `KeptSet`: they take `bitBytes`, and bits past
 * the last sample are 0. Nothing is checked: an offset or an index that is wrong overwrites what is there.
 */
export class Kernels {
  readonly #exports: Exports
  readonly #counts: Uint32Array
  readonly #columns: ColumnOffsets

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, columns: ColumnOffsets) {
    this.#exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports
    this.#counts = new Uint32Array(memory.buffer, SCRATCH_BYTES - 16, 3)
    this.#columns = columns
  }

  /**
   * Adds the `count` samples with the largest mean + c variance to a set that is empty, unseen ones first, ties at the threshold by the
   * stream: `selectTop`. With c = 0 the score is the mean: 0 times a variance is 0, as variances are finite.
   */
  addTop(bits: number, count: number, c: number, ties: RandomKey): void {
    const { mean, variance, observations, sampleCount } = this.#columns
    this.#exports.addTop(mean, variance, observations, bits, sampleCount, count, c, ...wordsOf(ties))
  }

  /** Adds `count` of the `rest` samples that are not in the set, drawn uniformly without replacement: `choose` of them. */
  addDrawn(bits: number, rest: number, count: number, stream: RandomKey): void {
    this.#exports.addDrawn(bits, rest, count, ...wordsOf(stream))
  }

  /**
   * Adds `count` samples to a set that is empty, drawn without replacement in proportion to their sizes (f32, UNSEEN_SIZE for a sample
   * without a loss): core's `drawWeighted`. Their weights, ascending, take the place of the first `count` sizes; the other sizes are lost.
   */
  drawWeighted(bits: number, sizes: number, count: number, uniformShare: number, draw: RandomKey): void {
    this.#exports.drawWeighted(sizes, bits, this.#columns.sampleCount, count, uniformShare, ...wordsOf(draw))
  }

  /** Notes that a selection kept the samples of a set: `SampleStatistics.countKept`. */
  countKept(bits: number): void {
    this.#exports.countKept(bits, this.#columns.timesKept, this.#columns.sampleCount)
  }

  /** Writes the samples of a set as u32, ascending. Returns how many there are. */
  expand(bits: number, indices: number): number {
    return this.#exports.expand(bits, this.#columns.sampleCount, indices)
  }

  /** Writes all samples as u32, ascending: `everything`. */
  iota(indices: number): void {
    this.#exports.iota(indices, this.#columns.sampleCount)
  }

  /** Shuffles u32 in place, as core's `shuffle`. `spare` is room for as many, used only for more than `splitAbove`. */
  shuffle(items: number, spare: number, length: number, stream: RandomKey, splitAbove = SPLIT_ABOVE): void {
    this.#exports.shuffle(items, spare, length, splitAbove, ...wordsOf(stream))
  }

  /**
   * Takes in the finite losses of a report, of each sample the first since `observed` was cleared: what `Run` does with
   * `SampleStatistics.observe`. The caller has checked that the indices are below sampleCount.
   */
  observe(
    observed: number,
    { indices, losses, count }: LossBatch,
    { alpha, initial }: StatisticsSettings,
  ): ObservedCounts {
    const { mean, variance, lastLoss, observations } = this.#columns
    const startsAtFirstLoss = Number(initial === 'first_loss')
    this.#exports.observe(
      ...[mean, variance, lastLoss, observations, observed],
      ...[indices, losses, count, alpha, startsAtFirstLoss],
    )
    const [taken = 0, nonFinite = 0, repeats = 0] = this.#counts
    return { observations: taken, nonFinite, repeats, scored: 0 }
  }
}

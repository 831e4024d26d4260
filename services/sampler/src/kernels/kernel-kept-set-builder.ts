import type { RandomKey } from '../core/random/random-stream.js'
import { addBit, bitBytes, KeptSet } from '../core/selection/kept-set.js'
import type { KeptSetBuilder } from '../core/selection/kept-set-builder.js'
import { topOfDrawn } from '../core/selection/top-of-drawn.js'
import type { ColumnLayout } from '../core/statistics/column-layout.js'
import { columnsIn } from '../core/statistics/statistics-columns.js'
import type { Kernels } from './kernels.js'

/** A builder that works in the run's memory: the twin of `PlainKeptSetBuilder`. One at a time on a memory. */
export class KernelKeptSetBuilder implements KeptSetBuilder {
  readonly #kernels: Kernels
  readonly #memory: WebAssembly.Memory
  readonly #layout: ColumnLayout
  readonly #bits: Uint8Array
  #count = 0

  constructor(kernels: Kernels, memory: WebAssembly.Memory, layout: ColumnLayout) {
    this.#kernels = kernels
    this.#memory = memory
    this.#layout = layout
    this.#bits = new Uint8Array(memory.buffer, layout.selection, bitBytes(layout.sampleCount)).fill(0)
  }

  get sampleCount(): number {
    return this.#layout.sampleCount
  }

  addEverything(): void {
    const { sampleCount } = this
    this.#bits.fill(0xff, 0, sampleCount >>> 3)
    if (sampleCount % 8 > 0) this.#bits[sampleCount >>> 3] = (1 << (sampleCount % 8)) - 1
    this.#count = sampleCount
  }

  addTop(count: number, varianceWeight: number, ties: RandomKey): void {
    this.#kernels.addTop(this.#layout.selection, count, varianceWeight, ties)
    this.#count += count
  }

  addDrawn(count: number, draw: RandomKey): void {
    this.#kernels.addDrawn(this.#layout.selection, this.sampleCount - this.#count, count, draw)
    this.#count += count
  }

  /** In TypeScript: half of its time is the draw, which takes one number after the other in any case. */
  addTopOfDrawn(count: number, poolCount: number, draw: RandomKey, ties: RandomKey): void {
    const columns = columnsIn(this.#memory, this.#layout)
    for (const index of topOfDrawn(columns, count, poolCount, draw, ties)) addBit(this.#bits, index)
    this.#count += count
  }

  build(): KeptSet {
    // A copy: the next selection is put together in the same place.
    return new KeptSet(new Uint8Array(this.#bits), this.#count)
  }
}

import type { RandomKey } from '../core/random/random-stream.js'
import { BitSetBuilder } from '../core/selection/bit-set-builder.js'
import type { WeightedDraw } from '../core/selection/draw-weighted.js'
import { bitBytes } from '../core/selection/kept-set.js'
import type { ColumnLayout } from '../core/statistics/column-layout.js'
import { columnsIn } from '../core/statistics/statistics-columns.js'
import type { Kernels } from './kernels.js'
import { weightedDraw } from './weighted-draw.js'

/** A builder that works in the run's memory: the twin of `PlainKeptSetBuilder`. One at a time on a memory. */
export class KernelKeptSetBuilder extends BitSetBuilder {
  readonly #kernels: Kernels
  readonly #layout: ColumnLayout

  constructor(kernels: Kernels, memory: WebAssembly.Memory, layout: ColumnLayout, withWeights = false) {
    const bits = new Uint8Array(memory.buffer, layout.selection, bitBytes(layout.sampleCount)).fill(0)
    super(columnsIn(memory, layout), bits, withWeights)
    this.#kernels = kernels
    this.#layout = layout
  }

  protected setTop(count: number, varianceWeight: number, ties: RandomKey): void {
    this.#kernels.addTop(this.#layout.selection, count, varianceWeight, ties)
  }

  protected setDrawn(rest: number, count: number, draw: RandomKey): void {
    this.#kernels.addDrawn(this.#layout.selection, rest, count, draw)
  }

  protected drawWeighted(sizes: Float32Array, count: number, uniformShare: number, draw: RandomKey): WeightedDraw {
    return weightedDraw(sizes, count, uniformShare, draw)
  }
}

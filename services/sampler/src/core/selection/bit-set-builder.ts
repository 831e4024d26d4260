import { openStream, type RandomKey } from '../random/random-stream.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import type { WeightedDraw } from './draw-weighted.js'
import { addBit, KeptSet } from './kept-set.js'
import type { KeptSetBuilder } from './kept-set-builder.js'
import { toKeys } from './score-keys.js'
import { selectTop } from './top.js'
import { topOfDrawn } from './top-of-drawn.js'

/** What builders share: a bit a sample, and where weights are asked for, a weight a sample. */
export abstract class BitSetBuilder implements KeptSetBuilder {
  readonly columns: StatisticsColumns
  protected readonly bits: Uint8Array
  /** Weight of each sample that is in the set; undefined: nobody asked. */
  readonly #weights: Float32Array | undefined
  #count = 0

  /** `bits`: room for all samples, all 0. */
  constructor(columns: StatisticsColumns, bits: Uint8Array, withWeights: boolean) {
    this.columns = columns
    this.bits = bits
    this.#weights = withWeights ? new Float32Array(columns.mean.length).fill(1) : undefined
  }

  get sampleCount(): number {
    return this.columns.mean.length
  }

  get count(): number {
    return this.#count
  }

  addEverything(): void {
    const { sampleCount } = this
    this.bits.fill(0xff, 0, sampleCount >>> 3)
    for (let index = sampleCount & ~7; index < sampleCount; index++) addBit(this.bits, index)
    this.#count = sampleCount
  }

  add(indices: Uint32Array, weights?: Float32Array): void {
    for (let i = 0; i < indices.length; i++) addBit(this.bits, indices[i] as number)
    this.#count += indices.length
    if (!this.#weights || !weights) return
    for (let i = 0; i < indices.length; i++) this.#weights[indices[i] as number] = weights[i] as number
  }

  addTop(count: number, varianceWeight: number, ties: RandomKey): void {
    this.setTop(count, varianceWeight, ties)
    this.#count += count
  }

  addTopOf(scores: Float32Array, count: number, ties: RandomKey): void {
    this.add(selectTop(toKeys(scores), count, openStream(ties)))
  }

  addTopOfDrawn(count: number, poolCount: number, draw: RandomKey, ties: RandomKey): void {
    this.add(topOfDrawn(this.columns, count, poolCount, draw, ties))
  }

  addDrawn(count: number, draw: RandomKey): void {
    const before = this.#weights && this.bits.slice()
    const rest = this.sampleCount - this.#count
    this.setDrawn(rest, count, draw)
    this.#count += count
    if (before) this.#weigh(before, rest / count)
  }

  addWeighted(sizes: Float32Array, count: number, uniformShare: number, draw: RandomKey): void {
    const { keptSet, weights } = this.drawWeighted(sizes, count, uniformShare, draw)
    this.add(keptSet.indices(), weights)
  }

  build(): KeptSet {
    // A copy: the next selection may be put together in the same place.
    const bits = new Uint8Array(this.bits)
    const weights = this.#weights
    if (!weights) return new KeptSet(bits, this.#count)
    return new KeptSet(
      bits,
      this.#count,
      Float32Array.from(new KeptSet(bits, this.#count).indices(), (i) => weights[i] as number),
    )
  }

  /** Sets the bits of the top; see `KeptSetBuilder`. */
  protected abstract setTop(count: number, varianceWeight: number, ties: RandomKey): void
  /** Sets the bits of `count` of the `rest` samples that have none. */
  protected abstract setDrawn(rest: number, count: number, draw: RandomKey): void
  protected abstract drawWeighted(
    sizes: Float32Array,
    count: number,
    uniformShare: number,
    draw: RandomKey,
  ): WeightedDraw

  /** Gives all samples that were not in a set of before this weight. */
  #weigh(before: Uint8Array, weight: number): void {
    const weights = this.#weights as Float32Array
    for (let byte = 0; byte < before.length; byte++) {
      let added = (this.bits[byte] as number) & ~(before[byte] as number)
      for (; added !== 0; added &= added - 1) weights[byte * 8 + (31 - Math.clz32(added & -added))] = weight
    }
  }
}

import { choose } from '../random/choose.js'
import { type RandomKey, RandomStream } from '../random/random-stream.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import { addBit, bitBytes, KeptSet } from './kept-set.js'
import type { KeptSetBuilder } from './kept-set-builder.js'
import { toScoreKeys } from './score-keys.js'
import { selectTop } from './top.js'
import { topOfDrawn } from './top-of-drawn.js'

/** A builder in plain TypeScript: what the kernels must agree with bit for bit. Time linear in N for each step. */
export class PlainKeptSetBuilder implements KeptSetBuilder {
  readonly #statistics: StatisticsColumns
  readonly #bits: Uint8Array
  #count = 0

  constructor(statistics: StatisticsColumns) {
    this.#statistics = statistics
    this.#bits = new Uint8Array(bitBytes(statistics.mean.length))
  }

  get sampleCount(): number {
    return this.#statistics.mean.length
  }

  addEverything(): void {
    const { sampleCount } = this
    this.#bits.fill(0xff, 0, sampleCount >>> 3)
    for (let index = sampleCount & ~7; index < sampleCount; index++) addBit(this.#bits, index)
    this.#count = sampleCount
  }

  addTop(count: number, varianceWeight: number, ties: RandomKey): void {
    const { mean, variance } = this.#statistics
    const c = Math.fround(varianceWeight)
    const scores = new Float32Array(mean.length)
    for (let i = 0; i < scores.length; i++) {
      scores[i] = (mean[i] as number) + Math.fround(c * (variance[i] as number))
    }
    const top = selectTop(
      toScoreKeys(scores, this.#statistics),
      count,
      new RandomStream(ties.seed, ties.epoch, ties.purpose),
    )
    for (let i = 0; i < top.length; i++) addBit(this.#bits, top[i] as number)
    this.#count += count
  }

  addDrawn(count: number, draw: RandomKey): void {
    const drawn = choose(count, this.sampleCount - this.#count, new RandomStream(draw.seed, draw.epoch, draw.purpose))
    let index = 0
    let absent = 0
    for (let i = 0; i < count; index++) {
      if (((this.#bits[index >>> 3] as number) >>> (index & 7)) & 1) continue
      if (absent++ !== drawn[i]) continue
      addBit(this.#bits, index)
      i++
    }
    this.#count += count
  }

  addTopOfDrawn(count: number, poolCount: number, draw: RandomKey, ties: RandomKey): void {
    for (const index of topOfDrawn(this.#statistics, count, poolCount, draw, ties)) addBit(this.#bits, index)
    this.#count += count
  }

  build(): KeptSet {
    return new KeptSet(this.#bits, this.#count)
  }
}

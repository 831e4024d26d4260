import { choose } from '../random/choose.js'
import { openStream, type RandomKey } from '../random/random-stream.js'
import type { StatisticsColumns } from '../statistics/statistics-columns.js'
import { BitSetBuilder } from './bit-set-builder.js'
import { drawWeighted, type WeightedDraw } from './draw-weighted.js'
import { addBit, bitBytes } from './kept-set.js'
import { toScoreKeys } from './score-keys.js'
import { selectTop } from './top.js'

/** A builder in plain TypeScript: what the kernels must agree with bit for bit. Time linear in N for each step. */
export class PlainKeptSetBuilder extends BitSetBuilder {
  constructor(columns: StatisticsColumns, withWeights = false) {
    super(columns, new Uint8Array(bitBytes(columns.mean.length)), withWeights)
  }

  protected setTop(count: number, varianceWeight: number, ties: RandomKey): void {
    const { mean, variance } = this.columns
    const c = Math.fround(varianceWeight)
    const scores = new Float32Array(mean.length)
    for (let i = 0; i < scores.length; i++) {
      scores[i] = (mean[i] as number) + Math.fround(c * (variance[i] as number))
    }
    const top = selectTop(toScoreKeys(scores, this.columns), count, openStream(ties))
    for (let i = 0; i < top.length; i++) addBit(this.bits, top[i] as number)
  }

  protected setDrawn(rest: number, count: number, draw: RandomKey): void {
    const drawn = choose(count, rest, openStream(draw))
    let index = 0
    let absent = 0
    for (let i = 0; i < count; index++) {
      if (((this.bits[index >>> 3] as number) >>> (index & 7)) & 1) continue
      if (absent++ !== drawn[i]) continue
      addBit(this.bits, index)
      i++
    }
  }

  protected drawWeighted(sizes: Float32Array, count: number, uniformShare: number, draw: RandomKey): WeightedDraw {
    return drawWeighted(sizes, count, uniformShare, openStream(draw))
  }
}

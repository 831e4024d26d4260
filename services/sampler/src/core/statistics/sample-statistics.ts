import type { FieldViolation } from '../field-violation.js'

/** How the moving statistics of a sample start: from its first loss, or from mean 0 and variance 0. */
export type InitialStatistics = 'first_loss' | 'zero'

/** Settings of the moving statistics. alpha, in (0, 1], is the weight of a new loss. */
export interface StatisticsSettings {
  readonly alpha: number
  readonly initial: InitialStatistics
}

const fround = Math.fround

/** The paper's weight of a new loss, as in both re-implementations. */
export const defaultStatistics: StatisticsSettings = { alpha: 0.8, initial: 'first_loss' }

/** alpha must stay above 0 when it is rounded to f32. */
export function checkStatistics({ alpha }: StatisticsSettings): FieldViolation[] {
  if (alpha <= 1 && fround(alpha) > 0) return []
  return [{ field: 'alpha', description: `alpha is ${alpha}; it must be above 0 and at most 1` }]
}

const MAX_F32 = 3.4028234663852886e38
const MAX_OBSERVATIONS = 0xffff

/**
 * Moving mean and variance of each sample's loss, a struct of arrays of N each: 10 bytes a sample.
 * Every step is rounded to f32, so that any implementation that does the same agrees bit for bit.
 *
 * For a loss l: d = l - mean; variance = (1 - alpha) variance + alpha d^2; mean = (1 - alpha) mean + alpha l.
 * Source: two public re-implementations of Raju, Daruwalla, Lipasti 2021 (arXiv 2111.12621); see docs/reference/selection.md.
 */
export class SampleStatistics {
  readonly mean: Float32Array
  readonly variance: Float32Array
  /** Losses observed, at most one an epoch; stays at 65,535 once there. 0 = unseen. */
  readonly observations: Uint16Array
  readonly #alpha: number
  readonly #beta: number
  readonly #startsAtFirstLoss: boolean

  constructor(sampleCount: number, settings: StatisticsSettings) {
    this.mean = new Float32Array(sampleCount)
    this.variance = new Float32Array(sampleCount)
    this.observations = new Uint16Array(sampleCount)
    this.#alpha = fround(settings.alpha)
    this.#beta = fround(1 - this.#alpha)
    this.#startsAtFirstLoss = settings.initial === 'first_loss'
  }

  get sampleCount(): number {
    return this.mean.length
  }

  /** Takes in one finite loss. The caller has checked that index < sampleCount. */
  observe(index: number, loss: number): void {
    const l = fround(loss)
    const seen = this.observations[index] as number
    if (seen < MAX_OBSERVATIONS) this.observations[index] = seen + 1
    if (seen === 0 && this.#startsAtFirstLoss) {
      this.mean[index] = l
      return
    }
    const mean = this.mean[index] as number
    const d = fround(l - mean)
    const oldPart = fround(this.#beta * (this.variance[index] as number))
    const variance = fround(oldPart + fround(this.#alpha * fround(d * d)))
    // A wild loss must not make the variance infinite: a score could then be NaN. The mean cannot overflow.
    this.variance[index] = Math.min(variance, MAX_F32)
    this.mean[index] = fround(fround(this.#beta * mean) + fround(this.#alpha * l))
  }
}

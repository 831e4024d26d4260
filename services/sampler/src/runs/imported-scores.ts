import { IMPORTED_SCORE, type StaticScoreSettings, staticScores } from '../core/policies/static-score.js'
import { emptyStatistics, Run } from './run.js'
import { invalidField } from './run-error.js'
import type { RunCreated } from './run-event.js'
import { columnNames, type RunSpec } from './run-spec.js'
import { newState } from './run-state.js'
import type { StatisticsReading } from './statistics-reading.js'

/** Larger scores, those of samples that never were right above all, count as this: a column holds no infinity. */
const MAX_SCORE = 3.4028234663852886e38
const CHUNK_SAMPLES = 0x8000

/** Settings of a run whose scores come from others; undefined for every other run. */
export function importSettings({ policy }: RunSpec): StaticScoreSettings | undefined {
  return policy.name === 'static_score' && policy.scoresFrom.length > 0 ? policy : undefined
}

/** The scores that some runs made of each sample: their mean, and what making them cost. */
export class ImportedScores {
  readonly #spec: RunSpec
  readonly #settings: StaticScoreSettings
  readonly #sums: Float64Array
  #runs = 0
  #samplesPlanned = 0

  constructor(spec: RunSpec, settings: StaticScoreSettings) {
    this.#spec = spec
    this.#settings = settings
    this.#sums = new Float64Array(spec.sampleCount)
  }

  /** Adds the scores of the i-th run. Throws INVALID_FIELD for one that has none that fit. */
  add(i: number, reading: StatisticsReading): void {
    const { spec, nextEpoch } = reading.facts
    const { policy } = spec
    const { metric } = this.#settings
    const field = `spec.static_score.scores_from[${i}]`
    const refusal = (problem: string) =>
      invalidField(field, `${field} is "${this.#settings.scoresFrom[i]}", ${problem}`)
    if (policy.name !== 'static_score' || policy.metric !== metric || policy.scoresFrom.length > 0) {
      throw refusal(`which observes no ${metric}; name runs of static_score with this metric, without scores_from`)
    }
    if (spec.sampleCount !== this.#spec.sampleCount) {
      throw refusal(`which has ${spec.sampleCount} samples, not ${this.#spec.sampleCount}; name runs of the same data`)
    }
    if (nextEpoch === 0) throw refusal('which has not been trained yet; train it first')
    const names = columnNames(spec)
    for (const { startIndex, means, metrics } of reading.chunks(CHUNK_SAMPLES)) {
      const column = (name: string) => metrics[names.indexOf(name)]?.values as Float32Array
      staticScores(metric, means.length, column).forEach((score, at) => {
        this.#sums[startIndex + at] = (this.#sums[startIndex + at] as number) + Math.min(score, MAX_SCORE)
      })
    }
    this.#runs++
    this.#samplesPlanned += Math.min(policy.observeEpochs, nextEpoch) * spec.sampleCount
  }

  /** A new run with these scores. */
  start(created: RunCreated): Run {
    const statistics = emptyStatistics(created.spec)
    const column = statistics.metrics[columnNames(created.spec).indexOf(IMPORTED_SCORE)] as Float32Array
    column.set(this.#sums.map((sum) => sum / this.#runs))
    const { progress, ...state } = newState(created.time)
    const samplesPlannedElsewhere = this.#samplesPlanned
    return new Run(created, { statistics, state: { ...state, progress: { ...progress, samplesPlannedElsewhere } } })
  }
}

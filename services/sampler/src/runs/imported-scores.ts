import { MAX_F32 } from '../core/max-f32.js'
import { IMPORTED_SCORE, type StaticScoreSettings, staticScores } from '../core/policies/static-score.js'
import { emptyStatistics, Run } from './run.js'
import { invalidField } from './run-error.js'
import type { RunCreated } from './run-event.js'
import type { RunFacts } from './run-facts.js'
import { columnNames, type RunSpec } from './run-spec.js'
import { newState } from './run-state.js'
import type { StatisticsReading } from './statistics-reading.js'

const CHUNK_SAMPLES = 0x8000

/** Settings of a run whose scores come from others; undefined for every other run. */
export function importSettings({ policy }: RunSpec): StaticScoreSettings | undefined {
  return policy.name === 'static_score' && policy.scoresFrom.length > 0 ? policy : undefined
}

/** Bytes that the sum of scores takes while it is made. */
export const importBytes = (sampleCount: number) => 8 * sampleCount

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

  /** Throws INVALID_FIELD where the i-th run has no scores that fit. */
  check(i: number, { spec, nextEpoch }: RunFacts): void {
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
  }

  /** Adds the scores of a run that was checked. Others have their turn between chunks. */
  async add(reading: StatisticsReading): Promise<void> {
    const { spec, nextEpoch } = reading.facts
    const { metric } = this.#settings
    const { observeEpochs } = spec.policy as StaticScoreSettings
    const names = columnNames(spec)
    for (const { startIndex, means, metrics } of reading.chunks(CHUNK_SAMPLES)) {
      await new Promise((resolve) => setImmediate(resolve))
      const column = (name: string) => metrics[names.indexOf(name)]?.values as Float32Array
      // A column holds no infinity, which is the score of a sample that never was right.
      staticScores(metric, means.length, column).forEach((score, at) => {
        this.#sums[startIndex + at] = (this.#sums[startIndex + at] as number) + Math.min(score, MAX_F32)
      })
    }
    this.#runs++
    this.#samplesPlanned += Math.min(observeEpochs, nextEpoch) * spec.sampleCount
  }

  /** A new run with these scores. */
  start(created: RunCreated): Run {
    const statistics = emptyStatistics(created.spec)
    const column = statistics.metrics[columnNames(created.spec).indexOf(IMPORTED_SCORE)] as Float32Array
    for (let i = 0; i < column.length; i++) column[i] = (this.#sums[i] as number) / this.#runs
    const { progress, ...state } = newState(created.time)
    const samplesPlannedElsewhere = this.#samplesPlanned
    return new Run(created, { statistics, state: { ...state, progress: { ...progress, samplesPlannedElsewhere } } })
  }
}

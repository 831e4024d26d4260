import type { RunFacts } from './run-facts.js'
import { columnNames } from './run-spec.js'
import type { RunCapture } from './run-state.js'

/** Statistics of consecutive samples. */
export interface StatisticsChunk {
  readonly startIndex: number
  readonly means: Float32Array
  readonly variances: Float32Array
  readonly lastLosses: Float32Array
  readonly timesReported: Uint16Array
  readonly timesKept: Uint16Array
  /** The run's metrics in the order of the spec, then what its policy keeps. */
  readonly metrics: readonly { readonly name: string; readonly values: Float32Array }[]
}

/** What is known of each sample of a run at one moment, to be read once while the run goes on. `release` it in any case. */
export class StatisticsReading {
  readonly facts: RunFacts
  readonly #capture: RunCapture
  #onRelease: () => void

  constructor(facts: RunFacts, capture: RunCapture, onRelease: () => void) {
    this.facts = facts
    this.#capture = capture
    this.#onRelease = onRelease
  }

  /** All samples in the order of their indices. */
  *chunks(samplesPerChunk: number): Generator<StatisticsChunk, void, void> {
    const { sampleCount } = this.#capture.spec
    const names = columnNames(this.#capture.spec)
    for (let startIndex = 0; startIndex < sampleCount; startIndex += samplesPerChunk) {
      const columns = this.#capture.statistics.read(samplesPerChunk)
      yield {
        startIndex,
        means: columns.mean,
        variances: columns.variance,
        lastLosses: columns.lastLoss,
        timesReported: columns.observations,
        timesKept: columns.timesKept,
        metrics: names.map((name, metric) => ({ name, values: columns.metrics[metric] as Float32Array })),
      }
    }
  }

  release(): void {
    this.#capture.statistics.release()
    this.#onRelease()
    this.#onRelease = () => {}
  }
}

import type { KeptSet } from '../../selection/kept-set.js'
import { PlainKeptSetBuilder } from '../../selection/plain-kept-set-builder.js'
import { keptCount } from '../../share.js'
import { SampleStatistics } from '../../statistics/sample-statistics.js'
import { neededMetrics, ownColumns, type PolicyChoice, selectKeptSet, statisticsSettings } from '../registry.js'

interface Selection {
  readonly pruneRate?: number
  readonly seed?: number
  readonly epoch?: number
  readonly selections?: number
  readonly totalEpochs?: number
  readonly selectionPeriod?: number
}

/** Samples of which reports come in under a policy, and of which it selects. */
export class ObservedSamples {
  readonly statistics: SampleStatistics
  readonly #policy: PolicyChoice
  readonly #metrics: readonly string[]
  readonly #columnNames: readonly string[]
  #epoch = 0

  constructor(policy: PolicyChoice, sampleCount: number) {
    const own = ownColumns(policy)
    this.#policy = policy
    this.#metrics = neededMetrics(policy)
    this.#columnNames = [...this.#metrics, ...(own?.names ?? [])]
    this.statistics = new SampleStatistics(sampleCount, statisticsSettings(policy), { metrics: this.#metrics, own })
  }

  /** Takes in a report, with values of metrics by their names, of training or of scoring alone. A new epoch begins where it is another than that of the report before. */
  report(
    epoch: number,
    indices: readonly number[],
    losses: readonly number[],
    metrics: Readonly<Record<string, readonly number[]>> = {},
    isTrained = true,
  ): this {
    if (epoch !== this.#epoch) this.statistics.beginEpoch()
    this.#epoch = epoch
    const values = Object.entries(metrics).map(([name, of]) => ({
      metric: this.#metrics.indexOf(name),
      values: Float32Array.from(of),
    }))
    this.statistics.observeReport(Uint32Array.from(indices), Float32Array.from(losses), values, {
      epoch,
      isTrained: () => isTrained,
    })
    return this
  }

  /** The values of the policy's own columns, by their names. */
  own(): Record<string, number[]> {
    const names = this.#columnNames.slice(this.#metrics.length)
    return Object.fromEntries(names.map((name) => [name, [...this.#column(name)]]))
  }

  /** What the policy keeps, with weights. */
  select(selection: Selection = {}): KeptSet {
    const { pruneRate = 0, seed = 0, epoch = 1, selections = 0, totalEpochs, selectionPeriod = 1 } = selection
    const request = {
      ...{ policy: this.#policy, columnNames: this.#columnNames, weights: { cap: undefined } },
      ...{ pruneRate, keptCount: keptCount(pruneRate, this.statistics.sampleCount) },
      ...{ epoch, selections, totalEpochs, selectionPeriod, seed: BigInt(seed) },
    }
    return selectKeptSet(request, new PlainKeptSetBuilder(this.statistics, true))
  }

  /** Indices of what the policy keeps. */
  kept(selection?: Selection): number[] {
    return [...this.select(selection).indices()]
  }

  #column(name: string): Float32Array {
    return this.statistics.metrics[this.#columnNames.indexOf(name)] as Float32Array
  }
}

import { columnLayout, MAX_MEMORY_BYTES, SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import type { RunSize } from './ports.js'
import { RunError } from './run-error.js'

/** What a sampler takes on. */
export interface RunLimits {
  /** Runs recorded, in memory or not. */
  readonly maxRuns: number
  /** Of one run. */
  readonly maxSamples: number
  /** Of all runs that are in memory, as runBytes counts them. */
  readonly maxMemoryBytes: number
  /** A run that nobody called for so long leaves memory. */
  readonly idleSeconds: number
  /** A finished run is removed after so long; 0 = never. */
  readonly finishedHours: number
}

/** Throws TOO_MANY_SAMPLES for more than this sampler takes, or than fit with their metrics into the memory of a run. */
export function checkSampleCount({ sampleCount, columnCount }: RunSize, { maxSamples }: RunLimits): void {
  const isTooMuch = columnLayout(sampleCount, columnCount).bytes > MAX_MEMORY_BYTES
  if (sampleCount <= maxSamples && !isTooMuch) return
  const limit = isTooMuch
    ? `with ${columnCount} metrics, those that its policy keeps included, a run has at most ${mostSamples(columnCount)} samples, as all that is kept of them lies in one memory of 4 GiB; train on a subset, or keep fewer metrics`
    : `this sampler takes at most ${maxSamples} samples a run (--max-samples)`
  throw new RunError('TOO_MANY_SAMPLES', 'spec.sample_count', `spec.sample_count is ${sampleCount}; ${limit}`)
}

/** Samples that surely fit into the memory of a run, in whole thousands. */
function mostSamples(metricCount: number): number {
  const { bytes } = columnLayout(1_000_000, metricCount)
  return 1000 * Math.floor((1000 * (MAX_MEMORY_BYTES - SCRATCH_BYTES)) / (bytes - SCRATCH_BYTES))
}

/** Throws TOO_MANY_RUNS where one more would be too many. */
export function checkRunCount(runs: number, { maxRuns }: RunLimits): void {
  if (runs < maxRuns) return
  const message = `this sampler holds ${runs} runs, its limit (--max-runs); delete runs that are done`
  throw new RunError('TOO_MANY_RUNS', 'runs', message)
}

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

/** Throws TOO_MANY_SAMPLES. */
export function checkSampleCount(sampleCount: number, { maxSamples }: RunLimits): void {
  if (sampleCount <= maxSamples) return
  const message = `spec.sample_count is ${sampleCount}; this sampler takes at most ${maxSamples} samples a run (--max-samples)`
  throw new RunError('TOO_MANY_SAMPLES', 'spec.sample_count', message)
}

/** Throws TOO_MANY_RUNS where one more would be too many. */
export function checkRunCount(runs: number, { maxRuns }: RunLimits): void {
  if (runs < maxRuns) return
  const message = `this sampler holds ${runs} runs, its limit (--max-runs); delete runs that are done`
  throw new RunError('TOO_MANY_RUNS', 'runs', message)
}

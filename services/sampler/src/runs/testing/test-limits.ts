import type { RunLimits } from '../run-limits.js'

/** Limits that no test meets by chance. */
export function testLimits(given: Partial<RunLimits> = {}): RunLimits {
  return { maxRuns: 10, maxSamples: 1_000_000, maxMemoryBytes: 1e9, idleSeconds: 60, finishedHours: 1, ...given }
}

import { readFileSync } from 'node:fs'
import type { EpochRecord, MetricsRecord } from '@keepset/trainer'

/** The records of a file of metrics. */
export function readMetrics(path: string): MetricsRecord[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as MetricsRecord)
}

/** What an epoch's record says apart from times. */
export function outcomeOf({ seconds, secondsSoFar, imagesPerSecond, ...rest }: EpochRecord): Partial<EpochRecord> {
  return rest
}

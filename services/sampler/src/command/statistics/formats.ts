import type { SampleStatistics } from './read-statistics.js'

/** A format in which statistics are written. */
export interface StatisticsFormat {
  /** Whether a terminal can show it. */
  readonly isText: boolean
  /** Loads what writes it, and only that. */
  load(): Promise<(statistics: SampleStatistics) => AsyncIterable<Uint8Array | string>>
}

/** The formats by their names, which are also the endings of their files. */
export const formats: Readonly<Record<'csv' | 'jsonl' | 'parquet' | 'npz', StatisticsFormat>> = {
  csv: { isText: true, load: async () => (await import('./to-csv.js')).toCsv },
  jsonl: { isText: true, load: async () => (await import('./to-json-lines.js')).toJsonLines },
  parquet: { isText: false, load: async () => (await import('./to-parquet.js')).toParquet },
  npz: { isText: false, load: async () => (await import('./to-npz.js')).toNpz },
}

/** The name of a format. */
export type FormatName = keyof typeof formats

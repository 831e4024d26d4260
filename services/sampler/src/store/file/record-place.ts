import type { Disk } from './disk.js'

/** Takes what the operator should know. */
export type Log = (level: 'info' | 'warn' | 'error', facts: object, message: string) => void

/** Where the record of a run lies. */
export interface RecordPlace {
  readonly runId: string
  readonly disk: Disk
  readonly folder: string
  readonly log: Log
}

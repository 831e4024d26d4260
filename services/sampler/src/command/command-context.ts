import type { Client } from '@keepset/client'
import type { Streams } from './streams.js'

/** What every command on runs is given. */
export interface CommandContext {
  readonly client: Pick<
    Client,
    | 'getRun'
    | 'listRuns'
    | 'listDamagedRuns'
    | 'deleteRun'
    | 'rewindRun'
    | 'exportRun'
    | 'importRun'
    | 'streamStatistics'
  >
  readonly streams: Streams
  /** Aborted when the user stops the command. */
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
}

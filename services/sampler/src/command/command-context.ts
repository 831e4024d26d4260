import type { Client } from '@keepset/client'
import type { Streams } from './streams.js'

/** Where a sampler is looked for unless `--address` says otherwise. */
export const DEFAULT_ADDRESS = '127.0.0.1:50051'

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
    | 'selections'
  >
  readonly streams: Streams
  /** Aborted when the user stops the command. */
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
}

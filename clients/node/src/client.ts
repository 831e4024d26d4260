import { randomUUID } from 'node:crypto'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import type { CreateRunResponse, DeleteRunResponse, ListRunsResponse } from '@keepset/proto'
import { systemTiming } from './backoff.js'
import { checkTime, checkU32 } from './checks.js'
import { Connection } from './connection.js'
import { RunNotFoundError } from './errors.js'
import { runFromWire, specToWire } from './mapping.js'
import { fetchRun, Run } from './run.js'
import type { CreateRunOptions, RunInfo } from './run-settings.js'

/** Settings of {@link connect}. */
export interface ConnectOptions {
  /** Of the channel, for TLS and tokens. Default: none, plain text. */
  readonly credentials?: ChannelCredentials
  /** How long a call that is no stream may take in milliseconds, retries included. Above 0, Infinity allowed. Default 30000. */
  readonly callTimeoutMs?: number
  /**
   * Reports of a run that may wait to be sent or acknowledged, at least 1. Default 256. Each rank that holds a batch of `plan.batches()`
   * may add the report of that batch on top.
   */
  readonly reportQueueLimit?: number
  /**
   * How long a broken stream of reports or of a plan is retried without progress, in milliseconds, before the run fails. Above 0,
   * Infinity allowed. Default 300000 (5 minutes).
   */
  readonly giveUpAfterMs?: number
}

/**
 * Opens a client of the sampler at `address`, for example `127.0.0.1:50051`. The connection is made with the first call.
 * Throws {@link InvalidArgumentError} for an option out of its range.
 */
export function connect(address: string, options: ConnectOptions = {}): Client {
  const settings = {
    callTimeoutMs: checkTime('callTimeoutMs', options.callTimeoutMs ?? 30_000),
    reportQueueLimit: checkU32('reportQueueLimit', options.reportQueueLimit ?? 256, 1),
    giveUpAfterMs: checkTime('giveUpAfterMs', options.giveUpAfterMs ?? 300_000),
  }
  return new Client(
    new Connection(address, options.credentials ?? credentials.createInsecure(), settings, systemTiming),
  )
}

/** A client of one sampler, made by {@link connect}. Every call may throw the typed errors, all of them a {@link KeepsetError}. */
export class Client {
  readonly #connection: Connection

  /** Use {@link connect}. */
  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * Creates a run, or attaches to the one of the same id and settings. Throws {@link RunExistsError} where the id is taken with other
   * settings, {@link InvalidArgumentError} for a bad value, {@link ResourceExhaustedError} over a limit of the sampler.
   */
  async createRun(options: CreateRunOptions): Promise<Run> {
    const runId = options.runId ?? `run-${randomUUID()}`
    const request = { runId, spec: specToWire(options) }
    await this.#connection.call<CreateRunResponse>((...rest) => this.#connection.runs.createRun(request, ...rest))
    return new Run(this.#connection, runId)
  }

  /** Attaches to a run that is there. Throws {@link RunNotFoundError}. */
  async openRun(runId: string): Promise<Run> {
    await this.getRun(runId)
    return new Run(this.#connection, runId)
  }

  /** Reads a run. Throws {@link RunNotFoundError}. */
  async getRun(runId: string): Promise<RunInfo> {
    return fetchRun(this.#connection, runId)
  }

  /** All runs in the order of their ids, fetched a page at a time. */
  async *listRuns(): AsyncGenerator<RunInfo, void, void> {
    let pageToken = ''
    do {
      const request = { pageSize: 0, pageToken }
      const page = await this.#connection.call<ListRunsResponse>((...rest) =>
        this.#connection.runs.listRuns(request, ...rest),
      )
      for (const run of page.runs) yield runFromWire(run)
      pageToken = page.nextPageToken
    } while (pageToken !== '')
  }

  /** Removes a run and all that is known of it. Throws {@link RunNotFoundError}. */
  async deleteRun(runId: string): Promise<void> {
    let tries = 0
    try {
      await this.#connection.call<DeleteRunResponse>((...rest) => {
        tries++
        return this.#connection.runs.deleteRun({ runId }, ...rest)
      })
    } catch (error) {
      // The answer to an earlier try may have been lost with its connection: then there is nothing left to find.
      if (!(error instanceof RunNotFoundError && tries > 1)) throw error
    }
  }

  /**
   * Closes the connection at once. Reports that are not acknowledged are given up: `await run.flush()` or `run.finish()` first.
   * Every later call throws {@link PreconditionError}.
   */
  close(): void {
    this.#connection.close()
  }
}

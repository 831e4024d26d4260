import { randomUUID } from 'node:crypto'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import type { CreateRunResponse, DeleteRunResponse, ListRunsResponse } from '@keepset/proto'
import { systemTiming } from './backoff.js'
import { checkTime, checkU32 } from './checks.js'
import { Connection } from './connection.js'
import { RunNotFoundError } from './errors.js'
import { sendImport } from './import-run.js'
import { runFromWire, specToWire } from './mapping.js'
import { readExport } from './read-export.js'
import { fetchRun, Run, rewindRun } from './run.js'
import type { CreateRunOptions, RunInfo } from './run-settings.js'
import { readSelections, type Selection } from './selections.js'
import { readStatistics, type StatisticsPart } from './statistics.js'

/** Settings of {@link connect}. */
export interface ConnectOptions {
  /** Of the channel, for TLS and tokens. Default: none, plain text. */
  readonly credentials?: ChannelCredentials
  /**
   * How long a call that is no stream may take in milliseconds, retries included; and an export, an import, statistics or selections until they begin.
   * Above 0, Infinity allowed. Default 30000.
   */
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

/** Settings of {@link Client.importRun}. */
export interface ImportRunOptions {
  /** Name of the new run. Default: the one in the export. */
  readonly runId?: string
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
    const { run } = await this.#connection.call<CreateRunResponse>((...rest) =>
      this.#connection.runs.createRun(request, ...rest),
    )
    return new Run(this.#connection, runFromWire(run))
  }

  /** Attaches to a run that is there. Throws {@link RunNotFoundError}. */
  async openRun(runId: string): Promise<Run> {
    return new Run(this.#connection, await this.getRun(runId))
  }

  /** Reads a run. Throws {@link RunNotFoundError}. */
  async getRun(runId: string): Promise<RunInfo> {
    return fetchRun(this.#connection, runId)
  }

  /** All runs in the order of their ids, fetched a page at a time; not those that {@link listDamagedRuns} names. */
  async *listRuns(): AsyncGenerator<RunInfo, void, void> {
    for await (const { runs } of this.#pages()) for (const run of runs) yield runFromWire(run)
  }

  /** Ids of the runs whose record is damaged, in their order: the sampler's log says where. They can only be deleted. */
  async *listDamagedRuns(): AsyncGenerator<string, void, void> {
    for await (const { damagedRunIds } of this.#pages()) yield* damagedRunIds
  }

  /**
   * Takes a run back to the start of an epoch, one of its `epochStarts`. `generation` is the one that this ends: {@link AbortedError}
   * where the run is in another one, and repeating the call changes nothing. 0 rewinds whatever it is, and does so again when the call
   * is repeated after a lost answer. Every trainer of the run is then of a life that is over; one that goes on itself calls `run.rewind()`.
   * Throws {@link PreconditionError} where the start of that epoch is not kept.
   */
  async rewindRun(runId: string, epoch: number, generation = 0): Promise<RunInfo> {
    return rewindRun(this.#connection, runId, epoch, generation)
  }

  /**
   * The whole state of a run, as it was durable when this was called, as bytes for {@link importRun}; the run goes on meanwhile. They
   * come no faster than they are taken. A connection that breaks in between throws {@link UnavailableError}: what came is a part, which an
   * import refuses, so begin anew.
   */
  exportRun(runId: string): AsyncGenerator<Uint8Array, void, void> {
    return readExport(this.#connection, runId)
  }

  /**
   * Makes a run from an export, under the name in it or `runId`; it goes on with the same plans. The source is read no faster than the
   * sampler takes it. Throws {@link RunExistsError} where the name is taken, {@link InvalidArgumentError} where the bytes are no whole, undamaged
   * export, {@link ResourceExhaustedError} over a limit of the sampler; nothing is left behind then.
   *
   * It waits until the sampler is reached. From then on it is not sent again: {@link UnavailableError} where the connection breaks, and
   * the run may be there all the same, if only the answer was lost.
   */
  async importRun(source: AsyncIterable<Uint8Array>, options: ImportRunOptions = {}): Promise<Run> {
    const { run } = await sendImport(this.#connection, source, options.runId ?? '')
    return new Run(this.#connection, runFromWire(run))
  }

  /**
   * What is known of each sample of a run, at one moment: the run, then chunks in the order of their indices, then a summary. They come
   * no faster than they are taken. A connection that breaks in between throws {@link UnavailableError}: begin anew.
   */
  streamStatistics(runId: string): AsyncGenerator<StatisticsPart, void, void> {
    return readStatistics(this.#connection, runId)
  }

  /**
   * What came of each selection of a run, in their order: how many samples were kept always, sometimes and never by then, how often, and how
   * much of the set is that of the selection before. A run keeps its last 256. A connection that breaks in between throws
   * {@link UnavailableError}: begin anew. Throws {@link RunNotFoundError}.
   */
  selections(runId: string): AsyncGenerator<Selection, void, void> {
    return readSelections(this.#connection, runId)
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

  async *#pages(): AsyncGenerator<ListRunsResponse, void, void> {
    let pageToken = ''
    do {
      const request = { pageSize: 0, pageToken }
      const page = await this.#connection.call<ListRunsResponse>((...rest) =>
        this.#connection.runs.listRuns(request, ...rest),
      )
      yield page
      pageToken = page.nextPageToken
    } while (pageToken !== '')
  }
}

import { setMaxListeners } from 'node:events'
import { status } from '@grpc/grpc-js'
import type { LossReportAck, StreamReportsResponse } from '@keepset/proto'
import { RetryBudget } from './backoff.js'
import { type Connection, ignoreError } from './connection.js'
import { decodeError, type RpcStatus, retryDelay } from './decode-error.js'
import { InternalError, type KeepsetError } from './errors.js'
import { type QueuedReport, ReportQueue } from './report-queue.js'
import { isRetryable } from './retry.js'

/** How long a report may lie before it is written, where nobody waits for it. */
const longestStayMs = 20

/** Reports that may lie so; where more do, they are written in the next turn of the event loop. */
const mostUnwritten = 8

type ReportStream = ReturnType<Connection['sampler']['streamReports']>

/**
 * Brings the reports of one run to the sampler, in the background, over one stream at a time.
 *
 * The trainer's step only appends. Reports are encoded and written in a later turn of the event loop, several at once where steps are short: a timer
 * of the open stream looks for them, since to plan a turn for each would take as long as to copy it, and one message after the other would wake
 * this thread and the sampler's for each. Who waits for room, or for all to be acknowledged, has them written at once.
 *
 * A report leaves the queue when it is acknowledged. After a broken connection all that are left are sent again, in order and
 * with the same sequence; the sampler counts each once. What cannot be mended is remembered: `signal` is aborted with the error.
 */
export class ReportSender {
  readonly queue: ReportQueue
  /** Aborted, with the error that every later call throws, when the reports can no longer be delivered. */
  readonly signal: AbortSignal
  readonly #failing = new AbortController()
  readonly #connection: Connection
  readonly #budget: RetryBudget
  #stream: ReportStream | undefined
  /** How many reports of the queue, from its head, were written to the stream. */
  #sent = 0
  /** How many reports of the queue, from its head, were written to a stream that broke: the sampler may have them. */
  #sentBefore = 0
  #duplicates = 0
  #cancelRetry: (() => void) | undefined
  /** While a stream is open: looks for reports that lie. */
  #lookout: NodeJS.Timeout | undefined
  #nextTurn: NodeJS.Immediate | undefined

  constructor(connection: Connection) {
    this.queue = new ReportQueue(connection.settings.reportQueueLimit)
    this.signal = this.#failing.signal
    setMaxListeners(0, this.signal) // One for each plan that is open.
    this.#connection = connection
    this.#budget = new RetryBudget(connection.timing, connection.settings.giveUpAfterMs)
    if (connection.signal.aborted) this.#fail(connection.signal.reason)
    else connection.signal.addEventListener('abort', this.#onClose, { once: true })
  }

  /** Reports that the sampler had already although they were sent once only. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** Queues a report and returns; throws what {@link ReportQueue.push} throws, which is the failure of the run once it has failed. */
  send(report: QueuedReport): void {
    this.queue.push(report)
    if (this.#lookout && this.queue.length - this.#sent <= mostUnwritten) return
    this.#nextTurn ??= setImmediate(() => {
      this.#nextTurn = undefined
      this.#write()
    })
  }

  /** Resolves when there is room for a report; see {@link ReportQueue.room}. */
  async room(): Promise<void> {
    this.#makeRoom()
    await this.queue.room()
  }

  /** Resolves when a slot is kept for the rank; see {@link ReportQueue.keepRoomFor}. */
  async keepRoomFor(rank: number): Promise<void> {
    this.#makeRoom()
    await this.queue.keepRoomFor(rank)
  }

  /** Resolves when all reports handed over until now are acknowledged. */
  async flush(): Promise<void> {
    this.#write()
    await this.queue.drained()
    if (this.queue.length === 0) this.#endStream()
  }

  /** Takes no more reports: every later call throws `reason`. Reports that are left are given up, and their stream with them. */
  close(reason: KeepsetError): void {
    if (this.queue.length === 0) this.#endStream()
    this.#fail(reason)
  }

  /** Writes as many reports as the stream takes; 'drain' calls again. */
  #write(): void {
    if (this.signal.aborted || this.#cancelRetry || this.queue.length === this.#sent) return
    this.#stream ??= this.#openStream()
    while (!this.#stream.writableNeedDrain) {
      const report = this.queue.at(this.#sent)
      if (!report) return
      this.#sent++
      this.#stream.write({ report: report.toWire() })
    }
  }

  #makeRoom(): void {
    this.signal.throwIfAborted()
    if (!this.queue.hasFreeSlot) this.#write()
  }

  #openStream(): ReportStream {
    const stream = this.#connection.sampler.streamReports()
    const whileCurrent =
      <Args extends unknown[]>(action: (...args: Args) => void) =>
      (...args: Args) => {
        if (stream === this.#stream) action(...args)
      }
    stream.on(
      'data',
      whileCurrent(({ acks }: StreamReportsResponse) => {
        // One that does not fit ends the stream.
        for (const ack of acks) if (stream === this.#stream) this.#acknowledge(ack)
      }),
    )
    stream.on(
      'drain',
      whileCurrent(() => this.#write()),
    )
    stream.on(
      'status',
      whileCurrent((ended: RpcStatus) => this.#onEnd(ended)),
    )
    stream.on('error', ignoreError)
    this.#lookout = setInterval(() => this.#write(), longestStayMs).unref()
    return stream
  }

  #acknowledge(ack: LossReportAck): void {
    const oldest = this.queue.at(0)
    const fits = oldest && this.#sent > 0 && isAckOf(ack, oldest)
    if (!fits) {
      this.#fail(
        new InternalError('INTERNAL', `The sampler acknowledged ${nameOf(ack)} when ${nameOf(oldest)} was next.`, {
          reason: 'ACK_OUT_OF_ORDER',
        }),
      )
      return
    }
    this.#budget.progress()
    this.#sent--
    if (this.#sentBefore > 0) this.#sentBefore--
    else if (ack.duplicate) this.#duplicates++
    this.queue.acknowledge()
  }

  #onEnd(ended: RpcStatus): void {
    this.#takeStream()
    this.#sentBefore = Math.max(this.#sentBefore, this.#sent)
    this.#sent = 0
    if (ended.code !== status.OK && !isRetryable(ended)) {
      this.#fail(decodeError(ended))
      return
    }
    if (this.queue.length === 0) return
    const delay = this.#budget.nextDelay(retryDelay(ended))
    if (delay === undefined) {
      this.#fail(decodeError(ended))
      return
    }
    this.#cancelRetry = this.#connection.timing.schedule(() => {
      this.#cancelRetry = undefined
      this.#write()
    }, delay)
  }

  /** An idle stream would keep the process alive and would only be there to break. */
  #endStream(): void {
    this.#takeStream()?.end()
  }

  /** The stream, if one is open; it is the caller's to end, and no report is written to it any more. */
  #takeStream(): ReportStream | undefined {
    const stream = this.#stream
    this.#stream = undefined
    clearInterval(this.#lookout)
    this.#lookout = undefined
    return stream
  }

  #fail(error: KeepsetError): void {
    if (this.signal.aborted) return
    this.#cancelRetry?.()
    clearImmediate(this.#nextTurn)
    const stream = this.#takeStream()
    this.#failing.abort(error)
    this.queue.fail(error)
    stream?.cancel()
    this.#connection.signal.removeEventListener('abort', this.#onClose)
  }

  #onClose = (): void => this.#fail(this.#connection.signal.reason)
}

function isAckOf(ack: LossReportAck, report: QueuedReport): boolean {
  return ack.epoch === report.epoch && ack.rank === report.rank && ack.sequence === report.sequence
}

function nameOf(report: QueuedReport | LossReportAck | undefined): string {
  return report ? `report ${report.sequence} of epoch ${report.epoch} and rank ${report.rank}` : 'no report'
}

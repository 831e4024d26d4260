import { setMaxListeners } from 'node:events'
import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { RunServiceClient, SamplerServiceClient } from '@keepset/proto'
import { MAX_TIMER_MS, RetryBudget, type Timing } from './backoff.js'
import { decodeError } from './decode-error.js'
import { PreconditionError } from './errors.js'
import { delayBeforeRetry } from './retry.js'

/** Settings of a {@link Connection}, every default filled in. */
export interface ConnectionSettings {
  readonly callTimeoutMs: number
  readonly reportQueueLimit: number
  readonly giveUpAfterMs: number
}

const channelOptions: ChannelOptions = {
  /** 8 MiB: a plan's chunks of 1 MB come without a stop for each window; about twice as fast as with the default of 64 KiB. */
  'grpc-node.flow_control_window': 8 * 1024 * 1024,
  /** A peer that vanished without a word is noticed after 30 s + 20 s; an idle report or plan stream would wait for ever. */
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 20_000,
  /** The channel's own pause between attempts must not be much longer than that of this library, which is on top of it. */
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
}

/** A proxy that `http_proxy` names cannot reach this machine's own loopback. */
function channelOptionsFor(address: string): ChannelOptions {
  const isLoopback = /^(ipv[46]:)?(127\.|localhost:|\[::1\])/.test(address)
  return isLoopback ? { ...channelOptions, 'grpc.enable_http_proxy': 0 } : channelOptions
}

/** One channel to a sampler, both services on it, and what all calls share. */
export class Connection {
  readonly sampler: SamplerServiceClient
  readonly runs: RunServiceClient
  readonly settings: ConnectionSettings
  readonly timing: Timing
  /** Aborted when the client closes, with the error that every later call throws. */
  readonly signal: AbortSignal
  readonly #closing = new AbortController()

  constructor(address: string, credentials: ChannelCredentials, settings: ConnectionSettings, timing: Timing) {
    this.sampler = new SamplerServiceClient(address, credentials, channelOptionsFor(address))
    this.runs = new RunServiceClient(address, credentials, { channelOverride: this.sampler.getChannel() })
    this.settings = settings
    this.timing = timing
    this.signal = this.#closing.signal
    setMaxListeners(0, this.signal) // One for each run.
  }

  /** Makes a unary call, again while the sampler cannot be reached, within `callTimeoutMs` for all of it. */
  async call<Response>(start: UnaryStart<Response>): Promise<Response> {
    const { callTimeoutMs } = this.settings
    const budget = new RetryBudget(this.timing, callTimeoutMs)
    const deadline = this.#deadline()
    let trouble: ServiceError | undefined
    for (;;) {
      this.signal.throwIfAborted()
      try {
        return await callOnce(start, { deadline })
      } catch (caught) {
        const error = caught as ServiceError
        // Time that ran out while the sampler was out of reach is not the sampler's being slow.
        if (error.code === status.DEADLINE_EXCEEDED && trouble) throw decodeError(trouble)
        const delay = delayBeforeRetry(error, budget)
        if (delay === undefined) throw decodeError(error)
        trouble = error
        await wait(this.timing, delay, this.signal)
      }
    }
  }

  /** Resolves when the sampler is reached, within `callTimeoutMs`: before a call that cannot be made again. */
  ready(): Promise<void> {
    const { callTimeoutMs } = this.settings
    return new Promise((resolve, reject) => {
      const stop = () => reject(this.signal.reason)
      if (this.signal.aborted) return stop()
      this.signal.addEventListener('abort', stop, { once: true })
      this.sampler.waitForReady(this.#deadline(), (error) => {
        this.signal.removeEventListener('abort', stop)
        if (!error) return resolve()
        const details = `The sampler was not reached within ${callTimeoutMs} ms`
        reject(decodeError({ code: status.UNAVAILABLE, details, metadata: new Metadata() }))
      })
    })
  }

  close(): void {
    this.#closing.abort(
      new PreconditionError('FAILED_PRECONDITION', 'The client is closed: connect() again.', {
        reason: 'CLIENT_CLOSED',
      }),
    )
    this.sampler.close()
  }

  /** When a call that starts now must be over. */
  #deadline(): number {
    const { callTimeoutMs } = this.settings
    // gRPC itself sets no timer for a longer time, and throws where the header cannot say it.
    return callTimeoutMs > MAX_TIMER_MS ? Number.POSITIVE_INFINITY : Date.now() + callTimeoutMs
  }
}

/** Starts a unary call of a generated client. */
type UnaryStart<Response> = (
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown

function callOnce<Response>(start: UnaryStart<Response>, options: Partial<CallOptions>): Promise<Response> {
  return new Promise((resolve, reject) => {
    start(new Metadata(), options, (error, response) => (error ? reject(error) : resolve(response)))
  })
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it is aborted. */
export function wait(timing: Timing, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      cancel()
      reject(signal.reason)
    }
    const cancel = timing.schedule(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, delayMs)
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** The 'status' event says all that 'error' says; without a listener Node would end the process. */
export function ignoreError(): void {}

import { setMaxListeners } from 'node:events'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { RunServiceService } from '@keepset/proto'
import { HealthImplementation } from 'grpc-health-check'
import type { Logger } from 'pino'
import type { RunRegistry } from '../runs/run-registry.js'
import { endForeignStreams } from './end-foreign-streams.js'
import { addReflection } from './reflection.js'
import { runService } from './run-service.js'
import { samplerDefinition } from './sampler-definition.js'
import { samplerService } from './sampler-service.js'

/** Where and how the gRPC side listens. */
export interface GrpcOptions {
  /** host:port; port 0 takes a free one. */
  readonly listen: string
  /** Largest message taken from a client, in bytes. */
  readonly maxMessageBytes: number
  /**
   * A connection that is silent for so long is pinged, and cut when the answer takes as long again: a host that is lost without
   * a word must not hold its place in a barrier. A trainer in one thread answers no ping while it computes: be generous.
   */
  readonly keepaliveSeconds: number
}

const SERVICES = ['', 'keepset.v1.RunService', 'keepset.v1.SamplerService']

/** The gRPC side of a sampler: its services, health and reflection. */
export class GrpcServer {
  /** The bound host:port. */
  readonly address: string
  readonly #server: Server
  readonly #health: HealthImplementation
  readonly #stopping: AbortController

  private constructor(address: string, server: Server, health: HealthImplementation, stopping: AbortController) {
    this.address = address
    this.#server = server
    this.#health = health
    this.#stopping = stopping
  }

  /** Binds and serves; calls that wait or stream end with the reason of `drain` when that aborts. Rejects if the address cannot be bound. */
  static async start(
    registry: RunRegistry,
    logger: Logger,
    drain: AbortSignal,
    options: GrpcOptions,
  ): Promise<GrpcServer> {
    const stopping = new AbortController()
    setMaxListeners(0, stopping.signal)
    const server = new Server({
      'grpc.max_receive_message_length': options.maxMessageBytes,
      'grpc.keepalive_time_ms': options.keepaliveSeconds * 1000,
      'grpc.keepalive_timeout_ms': options.keepaliveSeconds * 1000,
      interceptors: [endForeignStreams(stopping.signal)],
    })
    const health = new HealthImplementation(Object.fromEntries(SERVICES.map((name) => [name, 'SERVING'])))
    server.addService(RunServiceService, runService(registry, logger, drain))
    server.addService(samplerDefinition, samplerService(registry, logger, drain))
    health.addToServer(server)
    addReflection(server)
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(options.listen, ServerCredentials.createInsecure(), (error, bound) =>
        error
          ? reject(
              new Error(
                `cannot listen on ${options.listen} (--listen): ${error.message}; another sampler may run there, give another address`,
                { cause: error },
              ),
            )
          : resolve(bound),
      )
    })
    const host = options.listen.slice(0, options.listen.lastIndexOf(':'))
    return new GrpcServer(`${host}:${port}`, server, health, stopping)
  }

  /**
   * Says NOT_SERVING, takes no more connections, lets calls that are under way end, and closes. Calls that are not done
   * after `graceMs` are cut. The caller has aborted `drain`, which ended waits and streams.
   */
  async stop(graceMs: number): Promise<void> {
    for (const service of SERVICES) this.#health.setStatus(service, 'NOT_SERVING')
    this.#stopping.abort()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#server.forceShutdown()
        // Not when the last connection is closed: a client may keep its end open for as long as it lives.
        setImmediate(resolve)
      }, graceMs)
      this.#server.tryShutdown(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

import { setMaxListeners } from 'node:events'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { RunError } from '../../runs/run-error.js'
import type { RunRegistry } from '../../runs/run-registry.js'
import { GrpcServer } from '../grpc-server.js'

/** The gRPC side alone, with its drain signal and its log in our hands. */
export interface ServedRegistry<Stubs> {
  readonly address: string
  readonly stubs: Stubs
  /** Lines of the log at `error` and above. */
  readonly errors: readonly string[]
  /** The drain signal. */
  readonly signal: AbortSignal
  drain(): void
}

const stops: (() => Promise<void>)[] = []

/** Stops what {@link serveRegistry} has started. */
export async function stopServers(): Promise<void> {
  for (const stop of stops.splice(0)) await stop()
}

/** Serves what stands for a registry, to stubs of this class. */
export async function serveRegistry<Stubs extends { close(): void }>(
  StubsClass: new (address: string) => Stubs,
  registry: Partial<RunRegistry>,
): Promise<ServedRegistry<Stubs>> {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  const errors: string[] = []
  const log = new Writable({
    write: (line, _, done) => {
      errors.push(String(line))
      done()
    },
  })
  const options = { listen: '127.0.0.1:0', maxMessageBytes: 1 << 20, keepaliveSeconds: 60 }
  const logger = pino({ level: 'error' }, log)
  const server = await GrpcServer.start(registry as RunRegistry, logger, controller.signal, options)
  const stubs = new StubsClass(server.address)
  stops.push(async () => {
    stubs.close()
    await server.stop(0)
  })
  return {
    address: server.address,
    stubs,
    errors,
    drain: () => controller.abort(new RunError('DRAINING', 'sampler', 'the sampler is shutting down')),
    signal: controller.signal,
  }
}

import { setMaxListeners } from 'node:events'
import { endianness } from 'node:os'
import { type Logger, pino } from 'pino'
import { type Config, readConfig } from './config/config.js'
import { selectKeptSet } from './core/policies/registry.js'
import { GrpcServer } from './grpc/grpc-server.js'
import type { Run } from './runs/run.js'
import { RunError } from './runs/run-error.js'
import type { RunListener } from './runs/run-owner.js'
import { RunRegistry } from './runs/run-registry.js'
import { MemoryStore } from './store/memory/memory-store.js'
import { startWebServer } from './web/web-server.js'

export { type Config, ConfigError, readConfig } from './config/config.js'

/** A sampler that runs. */
export interface Sampler {
  /** Bound addresses, host:port. */
  readonly addresses: { readonly grpc: string; readonly http: string }
  /** Drains: takes no more calls, ends waits and streams with UNAVAILABLE, closes. Resolves when that is logged, too. */
  stop(): Promise<void>
}

function logRuns(logger: Logger): RunListener {
  return {
    created: ({ runId, spec }: Run) => {
      const { sampleCount, pruneRate, policy } = spec
      logger.info({ runId, sampleCount, pruneRate, policy: policy.name }, 'run created')
    },
    planned: (run, { epoch, reason, keptCount, saving, sharding }, milliseconds) => {
      const { worldSize } = sharding
      logger.info({ runId: run.runId, epoch, reason, keptCount, worldSize, saving, milliseconds }, 'epoch planned')
    },
    finished: ({ runId, saving, progress }) => logger.info({ runId, saving, ...progress }, 'run finished'),
    deleted: (runId) => logger.info({ runId }, 'run deleted'),
  }
}

/**
 * Starts a sampler in this process; settings that are not given have their defaults, but for the addresses, which take free ports.
 * Rejects with ConfigError on a bad setting, and with the system's error where an address cannot be bound.
 */
export async function startSampler(given: Partial<Config> = {}, logger?: Logger): Promise<Sampler> {
  const config = readConfig({ listen: '127.0.0.1:0', http: '127.0.0.1:0', ...given })
  // Written without blocking; with a minLength of 0 flush() would not wait.
  const log = logger ?? pino({ level: config.logLevel }, pino.destination({ minLength: 1 }))
  if (endianness() !== 'LE') throw new Error('the sampler needs a little-endian machine')
  const store = new MemoryStore()
  const registry = new RunRegistry(store, config, {
    clock: Date.now,
    selector: { select: async (policy, input) => selectKeptSet(policy, input) },
    listener: logRuns(log),
  })
  const drain = new AbortController()
  setMaxListeners(0, drain.signal) // Every call that waits or streams listens.
  const grpc = await GrpcServer.start(registry, log, drain.signal, config)
  const web = await startWebServer(config.http, drain.signal).catch(async (error: unknown) => {
    await grpc.stop(0)
    throw error
  })
  const addresses = { grpc: grpc.address, http: web.address }
  log.info({ ...addresses, store: store.durability }, 'listening')
  return {
    addresses,
    stop: async () => {
      log.info({ drainSeconds: config.drainSeconds }, 'draining')
      drain.abort(new RunError('DRAINING', 'sampler', 'the sampler is shutting down; try again'))
      await grpc.stop(config.drainSeconds * 1000)
      await web.stop()
      log.info('stopped')
      await new Promise<void>((resolve) => log.flush(() => resolve()))
    },
  }
}

import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { endianness } from 'node:os'
import { type Logger, pino } from 'pino'
import { type Config, readConfig } from './config/config.js'
import { version } from './config/version.js'
import { SampleStatistics } from './core/statistics/sample-statistics.js'
import { GrpcServer } from './grpc/grpc-server.js'
import { isSimdAvailable } from './kernels/kernels.js'
import { statisticsKernel } from './kernels/statistics-kernel.js'
import { Lifeline } from './lifeline/lifeline.js'
import { WorkerPlanner } from './planning/worker-planner.js'
import type { RunStore } from './runs/ports.js'
import type { Run } from './runs/run.js'
import { RunError } from './runs/run-error.js'
import type { RunListener } from './runs/run-listener.js'
import { RunRegistry } from './runs/run-registry.js'
import { FileStore } from './store/file/file-store.js'
import { MemoryStore } from './store/memory/memory-store.js'
import { startWebServer } from './web/web-server.js'

export { type Config, ConfigError, readConfig } from './config/config.js'

/** How often idle and finished runs are looked for. */
const SWEEP_SECONDS = 10

/** A sampler that runs. */
export interface Sampler {
  /** Bound addresses, host:port. */
  readonly addresses: { readonly grpc: string; readonly http: string; readonly lifeline?: string }
  /** Resolves, where there is a lifeline, when nobody holds it any more: the sampler is to be stopped. */
  readonly abandoned: Promise<void> | undefined
  /** Drains: takes no more calls, ends waits and streams with UNAVAILABLE, closes. Resolves when that is logged, too. */
  stop(): Promise<void>
}

function logRuns(logger: Logger): RunListener {
  return {
    created: ({ runId, spec }: Run) => {
      const { sampleCount, pruneRate, policy } = spec
      logger.info({ runId, sampleCount, pruneRate, policy: policy.name }, 'run created')
    },
    imported: ({ runId, spec, nextEpoch }) =>
      logger.info({ runId, sampleCount: spec.sampleCount, nextEpoch }, 'run imported'),
    planned: (run, { epoch, reason, keptCount, saving, sharding }, milliseconds) => {
      const { worldSize } = sharding
      logger.info({ runId: run.runId, epoch, reason, keptCount, worldSize, saving, milliseconds }, 'epoch planned')
    },
    rewound: ({ runId, nextEpoch, generation }) => logger.info({ runId, epoch: nextEpoch, generation }, 'run rewound'),
    finished: ({ runId, saving, progress }) => logger.info({ runId, saving, ...progress }, 'run finished'),
    deleted: (runId) => logger.info({ runId }, 'run deleted'),
    expired: (runId) => logger.info({ runId }, 'finished run removed: its time was over'),
    loaded: ({ runId, nextEpoch }, events, milliseconds) =>
      logger.info({ runId, nextEpoch, events, milliseconds }, 'run loaded'),
    unloaded: (runId) => logger.info({ runId }, 'run left memory'),
    damaged: (runId, err) => logger.error({ runId, err }, 'record damaged'),
    snapshotFailed: (runId, err) => logger.warn({ runId, err }, 'snapshot failed; the run goes on from its journal'),
    storeFailed: (runId, err) => logger.error({ runId, err }, 'store failed; the caller was told to try again'),
    releaseFailed: (runId, err) => logger.warn({ runId, err }, 'lease not given back'),
    sweepFailed: (runId, err) => logger.warn({ runId, err }, 'run not removed; trying again'),
  }
}

/** Nothing that this process acknowledges can be relied on any more: it ends, and the next one reads what is there. */
function endProcess(logger: Logger, error: Error): void {
  logger.fatal({ err: error }, 'the disk did not keep what was written; ending')
  logger.flush(() => process.exit(1))
}

function openStore({ store, dataDir, epochStarts }: Config, logger: Logger): Promise<RunStore> | RunStore {
  if (store === 'memory') return new MemoryStore({ epochStarts })
  return FileStore.open(dataDir, {
    epochStarts,
    onFatal: (error) => endProcess(logger, error),
    log: (level, facts, message) => logger[level](facts, message),
  })
}

async function startLifeline({ lifeline }: Config): Promise<Lifeline | undefined> {
  return lifeline === 'off' ? undefined : Lifeline.start(lifeline, { instance: randomUUID(), version })
}

/** Runs `work` again and again, one at a time; returns what ends that and waits for the last. */
function repeat(work: () => Promise<void>, seconds: number): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let isBusy = false
  const timer = setInterval(() => {
    if (isBusy) return
    isBusy = true
    running = work().finally(() => {
      isBusy = false
    })
  }, seconds * 1000)
  return () => {
    clearInterval(timer)
    return running
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
  const store = await openStore(config, log)
  SampleStatistics.kernelFor = isSimdAvailable() ? statisticsKernel : undefined
  const planner = new WorkerPlanner()
  const registry = await RunRegistry.open(store, config, {
    clock: Date.now,
    planner,
    listener: logRuns(log),
  }).catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  const drain = new AbortController()
  setMaxListeners(0, drain.signal) // Every call that waits or streams listens.
  const draining = new RunError('DRAINING', 'sampler', 'the sampler is shutting down; try again')
  const grpc = await GrpcServer.start(registry, log, drain.signal, config).catch(async (error: unknown) => {
    await registry.close(draining)
    throw error
  })
  const web = await startWebServer(config.http, drain.signal).catch(async (error: unknown) => {
    await grpc.stop(0)
    await registry.close(draining)
    throw error
  })
  const lifeline = await startLifeline(config).catch(async (error: unknown) => {
    await web.stop()
    await grpc.stop(0)
    await registry.close(draining)
    throw error
  })
  const addresses = { grpc: grpc.address, http: web.address, ...(lifeline && { lifeline: lifeline.address }) }
  log.info({ ...addresses, store: store.durability }, 'listening')
  const reading = registry.readAll(drain.signal)
  const stopSweeping = repeat(() => registry.sweep(), Math.min(config.idleSeconds, SWEEP_SECONDS))
  return {
    addresses,
    abandoned: lifeline?.abandoned.then((reason) => log.info({ reason }, 'lifeline let go')),
    stop: async () => {
      log.info({ drainSeconds: config.drainSeconds }, 'draining')
      lifeline?.close()
      drain.abort(draining)
      await grpc.stop(config.drainSeconds * 1000)
      await web.stop()
      await stopSweeping()
      await reading
      await registry.close(draining)
      await planner.close()
      lifeline?.end()
      log.info('stopped')
      await new Promise<void>((resolve) => log.flush(() => resolve()))
    },
  }
}

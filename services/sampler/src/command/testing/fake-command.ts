import { PassThrough } from 'node:stream'
import type { RunInfo, Selection } from '@keepset/client'
import type { CommandContext } from '../command-context.js'

/** What a test gives instead of the sampler and of the process. */
interface FakeParts {
  /** The calls that the command makes; any other one throws. */
  readonly client?: Partial<CommandContext['client']>
  /** Whether the streams are a terminal. Default false. */
  readonly isTTY?: boolean
  readonly now?: number
}

/** A command's surroundings, without a sampler and a process. */
export function fakeCommand({ client = {}, isTTY = false, now = 0 }: FakeParts = {}) {
  const stop = new AbortController()
  const makeStream = () => Object.assign(new PassThrough(), { isTTY })
  const streams = { stdin: makeStream(), stdout: makeStream(), stderr: makeStream() }
  const context: CommandContext = {
    client: client as CommandContext['client'],
    streams,
    signal: stop.signal,
    now: () => now,
  }
  return {
    context,
    streams,
    stop: () => stop.abort(),
    /** What was written since the last call. */
    stdout: () => String(streams.stdout.read() ?? ''),
    stderr: () => String(streams.stderr.read() ?? ''),
  }
}

/** A run for tests, half of its training done; `changes` go one level deep. */
export function runInfo(
  changes: Omit<Partial<RunInfo>, 'settings' | 'progress'> & {
    settings?: Partial<RunInfo['settings']>
    progress?: Partial<RunInfo['progress']>
  } = {},
): RunInfo {
  return {
    runId: 'demo',
    state: 'active',
    nextEpoch: 12,
    generation: 1,
    epochStarts: [10, 11, 12],
    createTime: new Date('2026-01-01T00:00:00Z'),
    updateTime: new Date('2026-01-01T01:00:00Z'),
    ...changes,
    settings: {
      sampleCount: 60_000,
      policy: { kind: 'ucb', c: 1, alpha: 0.8, initial: 'first_loss' },
      pruneRate: 0.5,
      pruneRateSchedule: [],
      epochs: 30,
      seed: 18446744073709551615n,
      selectionPeriod: 2,
      warmupEpochs: 1,
      tailEpochs: 0,
      shardMode: 'pad',
      positionMultiple: 1,
      nonFinite: 'ignore',
      metrics: [],
      weights: 'off',
      weightCap: undefined,
      scoreSource: 'loss',
      batchLossMomentum: undefined,
      scoreLeftOut: false,
      ...changes.settings,
    },
    progress: {
      epochsPlanned: 12,
      samplesPlanned: 390_000,
      reports: 3047,
      observations: 389_990,
      nonFinite: 10,
      repeats: 0,
      saving: 0.4583,
      selections: 6,
      scored: 0,
      samplesPlannedElsewhere: 0,
      ...changes.progress,
    },
  }
}

/** A selection for tests, of 60,000 samples. */
export function selection(changes: Partial<Selection> = {}): Selection {
  return {
    epoch: 1,
    keptCount: 30_000,
    alwaysCount: 12_000,
    sometimesCount: 36_000,
    neverCount: 12_000,
    overlap: undefined,
    timesKept: [30_000, 30_000],
    binWidth: 1,
    ...changes,
  }
}

/** An asynchronous stream of what is at hand. */
export async function* streamOf<T>(...items: readonly T[]): AsyncGenerator<T, void, void> {
  yield* items
}

import type { StatisticsChunk, StreamStatisticsResponse } from '@keepset/proto'
import type { Connection } from './connection.js'
import { runFromWire } from './mapping.js'
import { unpackF32, unpackU32 } from './packed.js'
import { readStream } from './read-stream.js'
import type { RunInfo, RunSettings } from './run-settings.js'
import { unreadable } from './unreadable.js'

/** A part of `client.streamStatistics()`: the run comes first and once, the summary last and once. */
export type StatisticsPart =
  | {
      readonly kind: 'run'
      /** The run at the moment of the statistics. */
      readonly run: RunInfo
    }
  | {
      /** Consecutive samples, one element of each array a sample. */
      readonly kind: 'chunk'
      /** Index of the first sample. */
      readonly startIndex: number
      /** Moving mean of the loss; 0 where `timesReported` is 0. */
      readonly means: Float32Array
      /** Moving variance of the loss; 0 where `timesReported` is 0. */
      readonly variances: Float32Array
      /** The finite loss observed last; 0 where `timesReported` is 0. */
      readonly lastLosses: Float32Array
      /** Losses observed, at most one an epoch; stays at 65535 once there. */
      readonly timesReported: Uint32Array
      /** Selections that kept the sample; stays at 65535 once there. All of the run's `progress.selections`: always kept; 0: never; else sometimes. */
      readonly timesKept: Uint32Array
      /** The finite value of each of the run's metrics that was reported last, by its name; NaN where none was. Then the columns that the policy keeps for itself. */
      readonly metrics: Readonly<Record<string, Float32Array>>
    }
  | {
      /** How many samples the selections kept always, sometimes and never. All 0 while nothing was selected. */
      readonly kind: 'summary'
      readonly always: number
      readonly sometimes: number
      readonly never: number
    }

/** What is known of each sample of a run, at one moment. Throws where parts are missing or not in their order. */
export async function* readStatistics(
  connection: Connection,
  runId: string,
): AsyncGenerator<StatisticsPart, void, void> {
  const messages = readStream(connection, {
    start: () => connection.runs.streamStatistics({ runId }),
    name: `statistics of run '${runId}'`,
    toDo: 'drop what came and call client.streamStatistics() again.',
  })
  let settings: RunSettings | undefined
  let next = 0
  for await (const { part } of messages) {
    if ((part?.$case === 'run') !== (settings === undefined)) throw outOfOrder(part)
    switch (part?.$case) {
      case 'run': {
        const run = runFromWire(part.value)
        settings = run.settings
        yield { kind: 'run', run }
        break
      }
      case 'chunk': {
        const chunk = chunkFromWire(part.value, settings?.metrics ?? [])
        next += chunk.means.length
        if (chunk.startIndex + chunk.means.length !== next || next > (settings?.sampleCount ?? 0))
          throw outOfOrder(part)
        yield chunk
        break
      }
      case 'summary': {
        if (next !== settings?.sampleCount) throw outOfOrder(part)
        const { alwaysCount, sometimesCount, neverCount } = part.value
        yield { kind: 'summary', always: alwaysCount, sometimes: sometimesCount, never: neverCount }
        return
      }
      default:
        throw outOfOrder(part)
    }
  }
  throw unreadable(`statistics of ${next} samples without their end`)
}

function chunkFromWire(chunk: StatisticsChunk, names: readonly string[]): StatisticsPart & { kind: 'chunk' } {
  const { startIndex, means, variances, lastLosses, timesReported, timesKept, metrics } = chunk
  const { length } = means
  const others = [variances, lastLosses, timesReported, timesKept, ...metrics.map(({ values }) => values)]
  if (length % 4 !== 0 || others.some((array) => array.length !== length)) {
    throw unreadable(`statistics from index ${startIndex} on whose arrays do not fit each other`)
  }
  if (names.some((name, i) => metrics[i]?.name !== name)) {
    throw unreadable(`statistics from index ${startIndex} on whose metrics do not begin with those of the run`)
  }
  return {
    kind: 'chunk',
    startIndex,
    means: unpackF32(means),
    variances: unpackF32(variances),
    lastLosses: unpackF32(lastLosses),
    timesReported: unpackU32(timesReported),
    timesKept: unpackU32(timesKept),
    metrics: Object.fromEntries(metrics.map(({ name, values }) => [name, unpackF32(values)])),
  }
}

function outOfOrder(part: StreamStatisticsResponse['part']) {
  return unreadable(`statistics with ${part ? `a ${part.$case}` : 'nothing'} out of its order`)
}

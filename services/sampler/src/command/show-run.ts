import type { RunInfo } from '@keepset/client'
import type { CommandContext } from './command-context.js'
import { formatAge, formatCount, formatShare } from './format.js'
import { formatJson, type JsonOption, runToJson } from './run-json.js'
import { printLine } from './streams.js'
import { formatTable } from './table.js'

/** `keepset runs show`: all settings of a run and what it has done. */
export async function showRun(context: CommandContext, runId: string, options: JsonOption): Promise<void> {
  const { client, streams, now } = context
  const run = await client.getRun(runId)
  printLine(streams.stdout, options.json ? formatJson(runToJson(run)) : formatTable(describe(run, now())))
}

function describe({ settings, progress, ...run }: RunInfo, now: number): string[][] {
  const { kind, ...policy } = settings.policy
  const policySettings = Object.entries(policy).map(([name, value]) => `${name} ${value}`)
  const time = (at: Date) => `${at.toISOString()} (${formatAge(at, now)})`
  return [
    ['run id', run.runId],
    ['state', run.state],
    ['created', time(run.createTime)],
    ['updated', time(run.updateTime)],
    ['generation', String(run.generation)],
    ['next epoch', settings.epochs === undefined ? String(run.nextEpoch) : `${run.nextEpoch} of ${settings.epochs}`],
    ['epoch starts', run.epochStarts.join(', ')],
    ['samples', formatCount(settings.sampleCount)],
    ['policy', policySettings.length > 0 ? `${kind} (${policySettings.join(', ')})` : kind],
    [
      'prune rate',
      [
        String(settings.pruneRate),
        ...settings.pruneRateSchedule.map(({ fromEpoch, pruneRate }) => `${pruneRate} from epoch ${fromEpoch}`),
      ].join(', '),
    ],
    ['selection period', String(settings.selectionPeriod)],
    ['warm-up epochs', String(settings.warmupEpochs)],
    ['tail epochs', String(settings.tailEpochs)],
    ['shard mode', settings.shardMode],
    ['position multiple', String(settings.positionMultiple)],
    ['losses not finite', settings.nonFinite],
    ['metrics', settings.metrics.join(', ') || 'none'],
    ['seed', String(settings.seed)],
    ['saving', formatShare(progress.saving)],
    ['epochs planned', formatCount(progress.epochsPlanned)],
    ['samples planned', formatCount(progress.samplesPlanned)],
    ['selections', formatCount(progress.selections)],
    ['reports', formatCount(progress.reports)],
    ['observations', formatCount(progress.observations)],
    ['non-finite', formatCount(progress.nonFinite)],
    ['repeats', formatCount(progress.repeats)],
  ]
}

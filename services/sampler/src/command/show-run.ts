import type { RunInfo, RunSettings } from '@keepset/client'
import type { CommandContext } from './command-context.js'
import { formatAge, formatCount, formatShare } from './format.js'
import { policySettings } from './policy-settings.js'
import { readAll } from './read-all.js'
import { formatJson, type JsonOption, runToJson } from './run-json.js'
import { selectionsTable } from './selections-table.js'
import { printLine } from './streams.js'
import { formatTable } from './table.js'

/** Selections that are shown, the last ones. */
const SHOWN_SELECTIONS = 5

/** `keepset runs show`: all settings of a run, what it has done, and what came of its last selections. */
export async function showRun(context: CommandContext, runId: string, options: JsonOption): Promise<void> {
  const { client, streams, now } = context
  const run = await client.getRun(runId)
  if (options.json) {
    printLine(streams.stdout, formatJson(runToJson(run)))
    return
  }
  const last = (await readAll(client.selections(runId))).slice(-SHOWN_SELECTIONS)
  printLine(streams.stdout, formatTable(describe(run, now())))
  if (last.length > 0) printLine(streams.stdout, `\nlast selections\n${selectionsTable(last)}`)
}

function describePolicy(policy: RunSettings['policy']): string {
  const settings = policySettings(policy).map(([name, value]) => `${name} ${describeValue(value)}`)
  return settings.length > 0 ? `${policy.kind} (${settings.join(', ')})` : policy.kind
}

const describeValue = (value: unknown) => (Array.isArray(value) ? value.join(' ') || 'none' : String(value))

function describeWeights({ weights, weightCap }: RunSettings): string {
  return weightCap === undefined ? weights : `${weights}, at most ${weightCap}`
}

function describeScoreSource({ scoreSource, batchLossMomentum }: RunSettings): string {
  return batchLossMomentum === undefined ? scoreSource : `${scoreSource} (momentum ${batchLossMomentum})`
}

function describe({ settings, progress, ...run }: RunInfo, now: number): string[][] {
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
    ['policy', describePolicy(settings.policy)],
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
    ['weights', describeWeights(settings)],
    ['score source', describeScoreSource(settings)],
    ['left-out samples', settings.scoreLeftOut ? 'scored' : 'not scored'],
    ['seed', String(settings.seed)],
    ['saving', formatShare(progress.saving)],
    ['epochs planned', formatCount(progress.epochsPlanned)],
    ['samples planned', formatCount(progress.samplesPlanned)],
    ['selections', formatCount(progress.selections)],
    ['reports', formatCount(progress.reports)],
    ['observations', formatCount(progress.observations)],
    ['non-finite', formatCount(progress.nonFinite)],
    ['repeats', formatCount(progress.repeats)],
    ['scored', formatCount(progress.scored)],
    ['planned elsewhere', formatCount(progress.samplesPlannedElsewhere)],
  ]
}

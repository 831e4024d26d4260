import type { RunInfo } from '@keepset/client'
import type { CommandContext } from './command-context.js'
import { formatAge, formatCount, formatShare } from './format.js'
import { damagedRunToJson, formatJson, type JsonOption, runToJson } from './run-json.js'
import { printLine } from './streams.js'
import { formatTable } from './table.js'

const head = ['RUN ID', 'STATE', 'POLICY', 'SAMPLES', 'EPOCH', 'PRUNE RATE', 'SAVING', 'GENERATION', 'UPDATED'] as const

const noRuns =
  'No runs yet: a trainer starts one, "keepset train" or a program of yours with createRun() of @keepset/client.'

/** `keepset runs list`: all runs, damaged ones too, in the order of their names. */
export async function listRuns({ client, streams, now }: CommandContext, options: JsonOption): Promise<void> {
  const runs = new Map<string, RunInfo | 'damaged'>()
  for await (const run of client.listRuns()) runs.set(run.runId, run)
  for await (const runId of client.listDamagedRuns()) runs.set(runId, 'damaged')
  const entries = [...runs].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const print = (text: string) => printLine(streams.stdout, text)
  if (options.json) {
    print(formatJson(entries.map(([runId, run]) => (run === 'damaged' ? damagedRunToJson(runId) : runToJson(run)))))
  } else if (entries.length === 0) {
    print(noRuns)
  } else {
    const rows = entries.map(([runId, run]) => (run === 'damaged' ? damagedRow(runId) : runRow(run, now())))
    print(formatTable(rows, head))
  }
}

function runRow({ runId, state, settings, progress, ...run }: RunInfo, now: number): string[] {
  return [
    runId,
    state,
    settings.policy.kind,
    formatCount(settings.sampleCount),
    settings.epochs === undefined ? String(run.nextEpoch) : `${run.nextEpoch}/${settings.epochs}`,
    String(rateAt(settings, run.nextEpoch)),
    formatShare(progress.saving),
    String(run.generation),
    formatAge(run.updateTime, now),
  ]
}

function damagedRow(runId: string): string[] {
  return [runId, 'damaged', ...head.slice(2).map(() => '-')]
}

/** The prune rate that holds at an epoch. */
function rateAt({ pruneRate, pruneRateSchedule }: RunInfo['settings'], epoch: number): number {
  return pruneRateSchedule.findLast(({ fromEpoch }) => fromEpoch <= epoch)?.pruneRate ?? pruneRate
}

import type { RunInfo } from '@keepset/client'
import type { CommandContext } from './command-context.js'
import { failure } from './command-error.js'
import { type ConfirmOption, confirm } from './confirm.js'
import { formatEpochs, formatList } from './format.js'
import { formatJson, type JsonOption, runToJson } from './run-json.js'
import { printLine } from './streams.js'

/** `keepset runs rewind`: takes a run back to the start of an epoch; of two callers at once one rewinds. */
export async function rewindRun(
  context: CommandContext,
  runId: string,
  epoch: number,
  options: JsonOption & ConfirmOption,
): Promise<void> {
  const { client, streams, signal } = context
  const before = await client.getRun(runId)
  if (!before.epochStarts.includes(epoch)) throw failure(startIsGone(before, epoch))
  const forgotten = describeForgotten(before, epoch)
  if (!options.yes) {
    const question = `Rewind run ${runId} to the start of epoch ${epoch}? It forgets ${forgotten}, and refuses trainers that know generation ${before.generation}.`
    if (!(await confirm(question, streams, signal))) throw failure(`run ${runId} was not rewound`)
  }
  const after = await client.rewindRun(runId, epoch, before.generation)
  printLine(
    streams.stdout,
    options.json
      ? formatJson(runToJson(after))
      : `run ${runId} is at the start of epoch ${epoch}, generation ${after.generation}; it forgot ${forgotten}`,
  )
}

function startIsGone({ runId, epochStarts }: RunInfo, epoch: number): string {
  const starts = `the ${epochStarts.length === 1 ? 'start of epoch' : 'starts of epochs'} ${formatList(epochStarts)}`
  return `run ${runId} cannot go back to epoch ${epoch}: the sampler keeps ${starts} (--epoch-starts sets how many)`
}

/** What a run that goes back to the start of `epoch` knows no more. */
function describeForgotten({ nextEpoch, state }: RunInfo, epoch: number): string {
  const end = state === 'finished' ? ['that it is finished'] : []
  if (epoch === nextEpoch) return end[0] ?? 'nothing'
  return ['the plans and reports of', formatEpochs(epoch, nextEpoch - 1), ...end.map((text) => `and ${text}`)].join(' ')
}

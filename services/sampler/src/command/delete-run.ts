import { DataLossError } from '@keepset/client'
import type { CommandContext } from './command-context.js'
import { failure } from './command-error.js'
import { type ConfirmOption, confirm } from './confirm.js'
import { formatCount } from './format.js'
import { formatJson, type JsonOption } from './run-json.js'
import { printLine } from './streams.js'

/** `keepset runs delete`: removes a run and all that is known of it, also a damaged one. */
export async function deleteRun(
  context: CommandContext,
  runId: string,
  options: JsonOption & ConfirmOption,
): Promise<void> {
  const { client, streams, signal } = context
  if (!options.yes) {
    const question = `Delete run ${runId} (${await describe(context, runId)}) and all that is known of it?`
    if (!(await confirm(question, streams, signal))) throw failure(`run ${runId} was not deleted`)
  }
  await client.deleteRun(runId)
  printLine(streams.stdout, options.json ? formatJson({ run_id: runId, deleted: true }) : `deleted run ${runId}`)
}

async function describe({ client }: CommandContext, runId: string): Promise<string> {
  try {
    const { settings, state, nextEpoch } = await client.getRun(runId)
    return `${state}, ${formatCount(settings.sampleCount)} samples, ${formatCount(nextEpoch)} epochs planned`
  } catch (error) {
    if (error instanceof DataLossError) return 'its record is damaged'
    throw error
  }
}

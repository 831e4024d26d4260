import type { CommandContext } from './command-context.js'
import { formatBytes } from './format.js'
import { printLine } from './streams.js'
import { TransferProgress } from './transfer-progress.js'
import { checkTarget, isStandardOutput, type Target, writeOutput } from './write-output.js'

/** `keepset runs export`: the whole state of a run, for `keepset runs import`. */
export async function exportRun(context: CommandContext, runId: string, target: Target): Promise<void> {
  const { client, streams, signal } = context
  await checkTarget(target, streams, false)
  const progress = new TransferProgress(streams, (bytes) => `exported ${formatBytes(bytes)}`)
  const bytes = progress.watch(client.exportRun(runId), ({ byteLength }) => byteLength)
  await writeOutput(bytes, target, streams, signal).catch((error: unknown) => {
    throw progress.explain(error, 'export the run again')
  })
  if (isStandardOutput(target)) return
  printLine(streams.stderr, `exported run ${runId} to ${target.output} (${formatBytes(progress.done)})`)
}

import { open } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import type { CommandContext } from './command-context.js'
import { usageError } from './command-error.js'
import { describeFileError } from './describe-file-error.js'
import { formatBytes, formatCount } from './format.js'
import { formatJson, type JsonOption, runToJson } from './run-json.js'
import { printLine, type Streams } from './streams.js'
import { TransferProgress } from './transfer-progress.js'

/** Settings of {@link importRun}. */
interface ImportOptions extends JsonOption {
  /** Name of the new run. Default: the one that it was exported under. */
  readonly as?: string
}

/** `keepset runs import`: makes a run from what `keepset runs export` wrote. */
export async function importRun(context: CommandContext, file: string, options: ImportOptions): Promise<void> {
  const { client, streams, signal } = context
  const source = addAbortSignal(signal, await openSource(file, streams))
  const progress = new TransferProgress(streams, (bytes) => `imported ${formatBytes(bytes)}`)
  const bytes = progress.watch(namingErrors(source, file), ({ byteLength }) => byteLength)
  const imported = await client
    .importRun(bytes, options.as === undefined ? {} : { runId: options.as })
    .catch((error: unknown) => {
      throw progress.explain(error, 'look with "keepset runs list" whether the run is there, and else import it again')
    })
  const run = await client.getRun(imported.runId)
  const { sampleCount, policy } = run.settings
  printLine(
    streams.stdout,
    options.json
      ? formatJson(runToJson(run))
      : `imported run ${run.runId}: ${formatCount(sampleCount)} samples, ${policy.kind}, next epoch ${run.nextEpoch}`,
  )
}

async function openSource(file: string, { stdin }: Streams): Promise<Readable> {
  if (file === '-') {
    if (stdin.isTTY) throw usageError('standard input is a terminal: give the file of an export, or pipe one in')
    return stdin
  }
  try {
    const handle = await open(file)
    return handle.createReadStream({ highWaterMark: 1024 * 1024 })
  } catch (error) {
    throw cannotRead(file, error)
  }
}

async function* namingErrors(source: Readable, file: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* source
  } catch (error) {
    throw cannotRead(file, error)
  }
}

function cannotRead(file: string, error: unknown): Error {
  const remedy = 'give a file that "keepset runs export" wrote, or - for standard input'
  return usageError(`${file} cannot be read (${describeFileError(error)}): ${remedy}`, { cause: error })
}

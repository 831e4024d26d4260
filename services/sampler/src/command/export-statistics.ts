import { extname } from 'node:path'
import type { CommandContext } from './command-context.js'
import { formatCount } from './format.js'
import { type FormatName, formats } from './statistics/formats.js'
import { readStatistics, type Statistics } from './statistics/read-statistics.js'
import { printLine } from './streams.js'
import { TransferProgress } from './transfer-progress.js'
import { checkTarget, isStandardOutput, type Target, writeOutput } from './write-output.js'

/** `keepset runs statistics`: what is known of each sample of a run, as a file for other tools. */
export async function exportStatistics(
  { client, streams, signal }: CommandContext,
  runId: string,
  options: Target & { readonly format?: FormatName },
): Promise<void> {
  const format = formats[options.format ?? formatOfFile(options.output)]
  await checkTarget(options, streams, format.isText)
  const statistics = await readStatistics(client.streamStatistics(runId))
  const total = formatCount(statistics.run.settings.sampleCount)
  const progress = new TransferProgress(streams, (samples) => `${formatCount(samples)} of ${total} samples`)
  const chunks = progress.watch(statistics.chunks, ({ means }) => means.length)
  const write = await format.load()
  await writeOutput(write({ ...statistics, chunks }), options, streams, signal).catch((error: unknown) => {
    throw progress.explain(error, 'start again')
  })
  if (isStandardOutput(options)) return
  printLine(
    streams.stderr,
    `wrote the statistics of ${total} samples of run ${runId} to ${options.output}: ${describeKept(statistics)}`,
  )
}

/** The format that the ending of a file names; CSV where it names none. */
function formatOfFile(file: string): FormatName {
  const ending = extname(file).slice(1)
  return Object.hasOwn(formats, ending) ? (ending as FormatName) : 'csv'
}

function describeKept({ run, summary }: Statistics): string {
  if (summary === undefined || run.progress.selections === 0) return 'nothing was selected yet'
  const { always, sometimes, never } = summary
  return `kept always ${formatCount(always)}, sometimes ${formatCount(sometimes)}, never ${formatCount(never)}`
}

import { type Client, connect } from '@keepset/client'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { type CommandContext, DEFAULT_ADDRESS } from './command-context.js'
import { exitCodes } from './command-error.js'
import { deleteRun } from './delete-run.js'
import { explainError } from './explain-error.js'
import { exportRun } from './export-run.js'
import { exportStatistics } from './export-statistics.js'
import { importRun } from './import-run.js'
import { listRuns } from './list-runs.js'
import { rewindRun } from './rewind-run.js'
import { showRun } from './show-run.js'
import { showSelections } from './show-selections.js'
import { formats } from './statistics/formats.js'
import { printLine, type Streams } from './streams.js'

/** Options of every command on runs. */
interface ConnectionOptions {
  readonly address: string
  /** In seconds. */
  readonly connectTimeout: number
}

/** What a command does once there is a client. */
type Work = (context: CommandContext) => Promise<void>

/**
 * Runs `keepset runs` with command-line arguments.
 *
 * @param args the arguments after the command's name
 * @returns the exit code: 0, 1 failed, 2 bad input, 130 or 143 stopped by SIGINT or SIGTERM
 */
export async function runRunsCommand(
  args: readonly string[],
  streams: Streams = process,
  now: () => number = Date.now,
): Promise<number> {
  let exitCode: number = exitCodes.ok
  const run = async (options: ConnectionOptions, work: Work) => {
    exitCode = await runWork(options, work, streams, now)
  }
  try {
    await makeCommand(run, streams).parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has printed its text already; it says 0 after --help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    throw error
  }
}

async function runWork(options: ConnectionOptions, work: Work, streams: Streams, now: () => number): Promise<number> {
  const { address } = options
  const patience = options.connectTimeout * 1000
  const client = connect(address, { callTimeoutMs: patience, giveUpAfterMs: patience })
  const { signal, stoppedBy, release } = catchSignals(client)
  try {
    await work({ client, streams, signal, now })
    return exitCodes.ok
  } catch (error) {
    const stop = stoppedBy()
    if (stop !== undefined) return exitCodes[stop]
    const { text, exitCode } = explainError(error, address)
    printLine(streams.stderr, `error: ${text}`)
    return exitCode
  } finally {
    release()
    client.close()
  }
}

/** Ends what is under way when the process is told to stop, so that no half-written file is left. */
function catchSignals(client: Client) {
  const stop = new AbortController()
  let stopped: 'SIGINT' | 'SIGTERM' | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    stopped = signal === 'SIGTERM' ? signal : 'SIGINT'
    stop.abort()
    client.close()
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  return {
    signal: stop.signal,
    stoppedBy: () => stopped,
    release: () => {
      process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal)
    },
  }
}

function makeCommand(run: (options: ConnectionOptions, work: Work) => Promise<void>, streams: Streams): Command {
  const program = new Command('keepset runs')
    .description('Look at the runs of a sampler, move them from one sampler to another, take them back, delete them.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => streams.stdout.write(text), writeErr: (text) => streams.stderr.write(text) })
  const add = (name: string, description: string) =>
    program.command(name).description(description).allowExcessArguments(false)
  const json = ['--json', 'print JSON, with the names of the contract'] as const
  const yes = ['--yes', 'do not ask'] as const
  const output = (what: string) => ['--output <file>', `write ${what} to a file; - is standard output`, '-'] as const
  const force = ['--force', 'replace a file that is there'] as const

  add('list', 'list all runs')
    .option(...json)
    .action((options) => run(options, (context) => listRuns(context, options)))
  add('show', 'show the settings of a run and what it has done')
    .argument('<run>', 'name of the run')
    .option(...json)
    .action((runId, options) => run(options, (context) => showRun(context, runId, options)))
  add(
    'selections',
    'show what came of each selection: kept always, sometimes and never by then, and the overlap with the one before',
  )
    .argument('<run>', 'name of the run')
    .option(...json)
    .action((runId, options) => run(options, (context) => showSelections(context, runId, options)))
  add('export', 'write the whole state of a run, for "keepset runs import"; the run goes on meanwhile')
    .argument('<run>', 'name of the run')
    .option(...output('it'))
    .option(...force)
    .action((runId, options) => run(options, (context) => exportRun(context, runId, options)))
  add('import', 'make a run from an export; it goes on with the same plans')
    .argument('<file>', 'what "keepset runs export" wrote; - is standard input')
    .option('--as <run>', 'name of the new run (default: the one it was exported under)')
    .option(...json)
    .action((file, options) => run(options, (context) => importRun(context, file, options)))
  add('delete', 'remove a run and all that is known of it')
    .argument('<run>', 'name of the run')
    .option(...yes)
    .option(...json)
    .action((runId, options) => run(options, (context) => deleteRun(context, runId, options)))
  add('rewind', 'take a run back to the start of an epoch, for a trainer that restarts from a checkpoint')
    .argument('<run>', 'name of the run')
    .addArgument(new Argument('<epoch>', 'one of the epoch starts that "keepset runs show" names').argParser(readEpoch))
    .option(...yes)
    .option(...json)
    .action((runId, epoch, options) => run(options, (context) => rewindRun(context, runId, epoch, options)))
  add('statistics', 'write what is known of each sample: losses, times reported, times kept')
    .argument('<run>', 'name of the run')
    .addOption(
      new Option('--format <format>', 'format (default: that of the ending of the file, else csv)').choices(
        Object.keys(formats),
      ),
    )
    .option(...output('them'))
    .option(...force)
    .action((runId, options) => run(options, (context) => exportStatistics(context, runId, options)))
  for (const command of program.commands) addConnection(command)
  for (const command of [program, ...program.commands]) refuseDataDir(command)
  return program
}

/** The Python package's `keepset` takes this option and passes the rest on to this command: here nothing starts a sampler. */
function refuseDataDir(command: Command): void {
  command.addOption(new Option('--data-dir [directory]').hideHelp())
  command.on('option:data-dir', () => {
    command.error(
      "error: --data-dir is an option of the Python package's keepset (in a clone clients/python/.venv/bin/keepset); this one reaches a sampler by --address",
    )
  })
}

function addConnection(command: Command): void {
  command.addOption(
    new Option('--address <host:port>', 'the sampler')
      .env('KEEPSET_ADDRESS')
      .default(DEFAULT_ADDRESS)
      .argParser(readAddress),
  )
  command.addOption(
    new Option('--connect-timeout <seconds>', 'how long to try to reach the sampler')
      .env('KEEPSET_CONNECT_TIMEOUT')
      .default(10)
      .argParser(readSeconds),
  )
}

function readAddress(given: string): string {
  if (/^\S+:\d{1,5}$/.test(given)) return given
  throw new InvalidArgumentError('It must be HOST:PORT, for example 127.0.0.1:50051.')
}

function readSeconds(given: string): number {
  const seconds = Number(given)
  if (given.trim() !== '' && seconds >= 0.1 && seconds <= 86_400) return seconds
  throw new InvalidArgumentError('It must be a number of seconds from 0.1 to 86400.')
}

function readEpoch(given: string): number {
  if (/^\d{1,10}$/.test(given) && Number(given) <= 0xffffffff) return Number(given)
  throw new InvalidArgumentError('It must be the number of an epoch, from 0.')
}

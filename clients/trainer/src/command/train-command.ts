import {
  AbortedError,
  DeadlineError,
  KeepsetError,
  PreconditionError,
  RunExistsError,
  UnavailableError,
} from '@keepset/client'
import { Command, CommanderError } from 'commander'
import { BackendUnavailableError } from '../backends/load-backend.js'
import { DataError } from '../data/data-error.js'
import { CheckpointError } from '../training/checkpoint.js'
import { inWords } from '../training/in-words.js'
import { BarProgress, LineProgress } from '../training/print-progress.js'
import { StoppedError } from '../training/stop.js'
import { train } from '../training/train.js'
import { OptionError, type TrainOptions } from '../training/train-options.js'
import { addFlags, nameAsGiven } from './flags.js'

/** Exit codes: what the user must correct before another try is 2, what failed on the way is 1. */
const exitCodes = { ok: 0, failed: 1, usage: 2, SIGINT: 130, SIGTERM: 143 } as const

/**
 * Runs `keepset train` with command-line arguments, to the end of the training.
 *
 * @param args the arguments after the command's name
 * @returns the exit code: 0, 1 failed, 2 bad input, 130 or 143 stopped by SIGINT or SIGTERM
 */
export async function runTrainCommand(args: readonly string[]): Promise<number> {
  const command = makeCommand()
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    throw error
  }
  return await runTraining(command.opts<TrainOptions>(), command)
}

function makeCommand(): Command {
  const command = new Command('keepset train')
    .description('Train an image classifier on the images that a sampler keeps.')
    .helpOption('-h, --help', 'show this help')
    .allowExcessArguments(false)
    .exitOverride()
  addFlags(command)
  return command
}

async function runTraining(options: TrainOptions, command: Command): Promise<number> {
  const stop = new AbortController()
  let stoppedBy: 'SIGINT' | 'SIGTERM' = 'SIGINT'
  const onSignal = (signal: NodeJS.Signals) => {
    stoppedBy = signal === 'SIGTERM' ? signal : 'SIGINT'
    stop.abort()
  }
  // A terminal's Ctrl-C may come twice, from the terminal and from a parent process: so the handlers stay.
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const progress = process.stdout.isTTY ? new BarProgress(process.stdout) : new LineProgress(process.stdout)
  try {
    await train(options, { progress, signal: stop.signal })
    return exitCodes.ok
  } catch (error) {
    if (progress instanceof BarProgress) progress.stop()
    if (error instanceof StoppedError) {
      process.stderr.write(`stopped by ${stoppedBy}${options.checkpoint ? '; go on with --resume' : ''}\n`)
      return exitCodes[stoppedBy]
    }
    const { text, code } = explain(error, options, command)
    process.stderr.write(`error: ${text}\n`)
    return code
  } finally {
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal)
  }
}

/** Beside {@link OptionError}: errors whose text says what to correct. */
const usageErrors = [DataError, CheckpointError, BackendUnavailableError]

function explain(error: unknown, options: TrainOptions, command: Command): { text: string; code: number } {
  if (error instanceof OptionError) {
    const { option, value, problem } = error
    return {
      text: `${nameAsGiven(command, option)}${value === undefined ? '' : ` ${inWords(value)}`}: ${problem}`,
      code: exitCodes.usage,
    }
  }
  if (usageErrors.some((type) => error instanceof type))
    return { text: (error as Error).message, code: exitCodes.usage }
  if (error instanceof UnavailableError || error instanceof DeadlineError) {
    const remedy = 'start one with "keepset serve", or correct --address'
    return { text: `no sampler answers at ${options.address}: ${remedy} (${error.message})`, code: exitCodes.failed }
  }
  if (error instanceof PreconditionError || error instanceof RunExistsError) {
    const remedy = 'Give another --run-id, or go on from its checkpoint with --checkpoint and --resume.'
    return { text: `${error.message} ${remedy}`, code: exitCodes.failed }
  }
  if (error instanceof AbortedError && error.reason === 'STALE_GENERATION') {
    const cause = 'its run was taken back since, by another trainer that resumed it or by "keepset runs rewind"'
    return { text: `this training is over: ${cause} (${error.message})`, code: exitCodes.failed }
  }
  if (error instanceof KeepsetError) {
    // A field of the run's spec is a flag of the user's; anything else that is refused came up on the way.
    const isSetting = error.fieldViolations.some(({ field }) => field.startsWith('spec.'))
    return { text: error.message, code: isSetting ? exitCodes.usage : exitCodes.failed }
  }
  return { text: error instanceof Error ? (error.stack ?? error.message) : String(error), code: exitCodes.failed }
}

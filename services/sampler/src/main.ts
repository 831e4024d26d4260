#!/usr/bin/env node
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Command, Option } from 'commander'
import { ConfigError, environmentVariable, readConfig, settings } from './config/config.js'
import { version } from './config/version.js'

/** Exit codes: a usage error, everything else that ends the process early, and what a shell reports of a program that SIGPIPE ended. */
const EXIT = { usage: 2, failure: 1, brokenPipe: 141 }

function fail(error: unknown): never {
  console.error(`keepset: ${error instanceof Error ? error.message : error}`)
  process.exit(error instanceof ConfigError ? EXIT.usage : EXIT.failure)
}

async function serve(given: Record<string, string>): Promise<void> {
  const config = readConfig(given)
  const { startSampler } = await import('./bootstrap.js')
  const starting = startSampler(config)
  let stopping = false
  const stop = () => {
    if (stopping) return
    stopping = true
    starting.then((sampler) => sampler.stop()).then(() => process.exit(0), fail)
  }
  // Before "listening" is logged: a signal may follow at once.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop)
  const { abandoned } = await starting
  abandoned?.then(stop)
}

/** The trainer's program, or undefined where the trainer is not installed: it is a package of its own, and the sampler does not need TensorFlow.js. */
function findTrainer(): string | undefined {
  try {
    return join(dirname(fileURLToPath(import.meta.resolve('@keepset/trainer/package.json'))), 'dist', 'main.js')
  } catch {
    return undefined
  }
}

/** Hands over to the trainer. It runs in this process, so that who ends this one ends it. */
async function train(args: string[]): Promise<void> {
  const main = findTrainer()
  if (main === undefined) {
    fail(new Error('the trainer is not installed here; install it with: npm install @keepset/trainer'))
  }
  process.argv = [process.execPath, main, ...args]
  await import(pathToFileURL(main).href)
}

/** Loads what works on runs, tables and file formats too, for that alone: each command starts with what it needs. */
async function runs(args: string[]): Promise<void> {
  // Who reads the output has seen enough, as in `keepset runs list | head -1`: as quiet an end as any other program's.
  for (const output of [process.stdout, process.stderr]) {
    output.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exit(EXIT.brokenPipe)
    })
  }
  const { runRunsCommand } = await import('./command/runs-command.js')
  process.exitCode = await runRunsCommand(args)
}

function serveCommand(): Command {
  const command = new Command('serve').description('serve plans and take losses over gRPC')
  for (const setting of settings) {
    command.addOption(
      new Option(`--${setting.flag} <${setting.placeholder}>`, setting.description)
        .default(setting.fallback)
        .env(environmentVariable(setting)),
    )
  }
  return command.action(serve)
}

const program = new Command('keepset')
  .description('Choose which samples any trainer trains on')
  .version(version)
  .exitOverride()
program.addCommand(serveCommand().exitOverride().copyInheritedSettings(program))
program
  .command('train', { hidden: findTrainer() === undefined })
  .description('train an image classifier with TensorFlow.js on what a sampler keeps (keepset train --help)')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[args...]')
  .action(train)
program
  .command('runs')
  .description('list, show, export, import, rewind and delete runs, write their statistics (keepset runs --help)')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[args...]')
  .action(runs)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Error && 'exitCode' in error)) fail(error)
  // Commander has printed its text already; it says 0 after --help and 1 for a usage error.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage
}

#!/usr/bin/env node
import { runTrainCommand } from './command/train-command.js'

/** What a shell reports of a program that SIGPIPE ended. */
const brokenPipe = 141

// Who reads the output has seen enough, as in `keepset train | head -1`: as quiet an end as any other program's.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(brokenPipe)
  })
}

process.exitCode = await runTrainCommand(process.argv.slice(2))

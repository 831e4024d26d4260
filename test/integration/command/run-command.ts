import { PassThrough } from 'node:stream'
import { runRunsCommand } from '../../../services/sampler/src/command/runs-command.js'

/** What a command came to. */
export interface CommandEnd {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs `keepset runs` in this process, with streams that are no terminal. */
export async function runCommand(args: readonly string[], input?: Uint8Array): Promise<CommandEnd> {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  streams.stdin.end(input)
  const outputs = Promise.all([streams.stdout.toArray(), streams.stderr.toArray()])
  const code = await runRunsCommand(args, streams)
  streams.stdout.end()
  streams.stderr.end()
  const [stdout, stderr] = await outputs
  return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }
}

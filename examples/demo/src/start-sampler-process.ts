import { createInterface } from 'node:readline'
import { type Child, type Ending, startChild } from './child.js'
import { findCommand } from './find-command.js'

/** A sampler in a process of its own. */
export interface SamplerProcess {
  /** host:port of its gRPC side. */
  readonly address: string
  readonly processId: number | undefined
  /** Resolves when it has ended, whoever ended it; never rejects. */
  readonly ended: Promise<Ending>
  /** Ends it the way an orchestrator does, and waits for it. */
  stop(): Promise<void>
}

async function readAddress({ process, ended }: Child): Promise<string> {
  if (!process.stdout) throw new Error('the sampler has no output')
  for await (const line of createInterface(process.stdout)) {
    const entry = JSON.parse(line) as { msg: string; grpc?: string }
    if (entry.msg === 'listening' && entry.grpc) return entry.grpc
  }
  throw new Error(`the sampler ended with ${(await ended).text} before it listened`)
}

/** Starts `keepset serve` on free ports, its runs recorded in a folder. */
export async function startSamplerProcess(dataDirectory: string): Promise<SamplerProcess> {
  const addresses = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0']
  const args = [findCommand('@keepset/sampler'), 'serve', ...addresses, '--data-dir', dataDirectory]
  const sampler = startChild(args, ['ignore', 'pipe', 'inherit'])
  const stop = async () => {
    sampler.process.kill('SIGTERM')
    await sampler.ended
  }
  try {
    const address = await readAddress(sampler)
    sampler.process.stdout?.resume() // Its log has been read as far as is needed; a full pipe would stop it.
    return { address, processId: sampler.process.pid, ended: sampler.ended, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

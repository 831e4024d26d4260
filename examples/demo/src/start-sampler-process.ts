import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { findCommand } from './find-command.js'

/** A sampler in a process of its own. */
export interface SamplerProcess {
  /** host:port of its gRPC side. */
  readonly address: string
  /** Ends it the way an orchestrator does, and waits for it. */
  stop(): Promise<void>
}

async function readAddress(sampler: ChildProcess): Promise<string> {
  if (!sampler.stdout) throw new Error('the sampler has no output')
  for await (const line of createInterface(sampler.stdout)) {
    const entry = JSON.parse(line) as { msg: string; grpc?: string }
    if (entry.msg === 'listening' && entry.grpc) return entry.grpc
  }
  throw new Error('the sampler ended before it listened')
}

/** Starts `keepset serve` on free ports. */
export async function startSamplerProcess(): Promise<SamplerProcess> {
  const args = [findCommand('@keepset/sampler'), 'serve', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0']
  const sampler = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = () => sampler.kill()
  process.once('exit', kill)
  const address = await readAddress(sampler)
  sampler.stdout.resume() // Its log has been read as far as is needed; a full pipe would stop it.
  return {
    address,
    stop: async () => {
      process.off('exit', kill)
      if (sampler.exitCode !== null) return
      const ended = once(sampler, 'exit')
      sampler.kill('SIGTERM')
      await ended
    },
  }
}

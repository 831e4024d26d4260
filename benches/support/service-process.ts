import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LineChild } from './line-child.js'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** Bundles the sampler's sources as the Python package has them, so that no stale build is measured. Returns its program. */
export async function bundleService(dataDir: string): Promise<string> {
  const folder = join(dataDir, 'service')
  await promisify(execFile)(process.execPath, [path('../../scripts/bundle-service.mjs'), folder])
  return join(folder, 'keepset.mjs')
}

/** A sampler as users run it: a process of its own from one file. */
export class ServiceProcess {
  readonly address: string
  readonly #child: LineChild

  private constructor(child: LineChild, address: string) {
    this.#child = child
    this.address = address
  }

  /**
   * Starts `keepset serve` on free ports; resolves when it listens. `store`: a folder, or undefined for the memory store. `options` are Node's, and `env` is
   * added to the environment.
   */
  static async start(
    program: string,
    store?: string,
    { options = [], env = {} }: { options?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
  ): Promise<ServiceProcess> {
    const where = store === undefined ? ['--store', 'memory'] : ['--data-dir', store]
    const args = ['serve', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', ...where]
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('KEEPSET_'))
    const child = new LineChild(process.execPath, [...options, program, ...args], {
      ...Object.fromEntries(clean),
      ...env,
    })
    for (;;) {
      const { msg, grpc } = await child.read<{ msg: string; grpc?: string }>()
      if (msg === 'listening') return new ServiceProcess(child, String(grpc))
    }
  }

  /** Bytes resident now, and the most that ever were. */
  async memory(): Promise<{ now: number; most: number }> {
    const text = await readFile(`/proc/${this.#child.pid}/status`, 'utf8')
    const kibibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1])
    return { now: kibibytes('VmRSS') * 1024, most: kibibytes('VmHWM') * 1024 }
  }

  get hasEnded(): boolean {
    return this.#child.hasEnded
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.signal(signal)
  }

  stop(): Promise<void> {
    return this.#child.kill()
  }
}

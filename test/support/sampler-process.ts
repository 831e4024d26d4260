import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const MAIN = path('../../services/sampler/src/main.ts')
/** Workspaces are taken from their sources, never from a build that may be stale. */
const TSCONFIG = path('tsconfig.sources.json')
/** A flag or an environment variable that chooses a store. */
const STORE_SETTING = /^(--store|--data-dir|KEEPSET_STORE|KEEPSET_DATA_DIR)(=|$)/

/** What a process of the command line came to. */
export interface ProcessEnd {
  /** undefined where a signal ended it. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** A line of the sampler's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

/** A process of the `keepset` command, run from its sources. */
export class SamplerProcess {
  readonly ended: Promise<ProcessEnd>
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  #onOutput = () => {}

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('KEEPSET_'))
    this.#child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      env: { ...Object.fromEntries(clean), ...env, TSX_TSCONFIG_PATH: TSCONFIG },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#onOutput()
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject)
      this.#child.on('close', (code) =>
        resolve({ code: code ?? undefined, stdout: this.#stdout, stderr: this.#stderr }),
      )
    })
  }

  /** Starts `keepset serve` on free ports, with the memory store unless `args` or `env` name a store or its folder. */
  static serve(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): SamplerProcess {
    const namesStore = [...args, ...Object.keys(env)].some((name) => STORE_SETTING.test(name))
    const store = namesStore ? [] : ['--store', 'memory']
    return new SamplerProcess(['serve', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', ...store, ...args], env)
  }

  /** The whole lines of the log so far. */
  get log(): readonly LogLine[] {
    const lines = this.#stdout.split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as LogLine)
  }

  /** The first log line with this text. Rejects if the process ends before. */
  async logged(msg: string): Promise<LogLine> {
    const arrived = new Promise<LogLine>((resolve) => {
      this.#onOutput = () => {
        const line = this.log.find((candidate) => candidate.msg === msg)
        if (line) resolve(line)
      }
      this.#onOutput()
    })
    const first = await Promise.race([arrived, this.ended])
    if ('msg' in first) return first as LogLine
    throw new Error(`the process ended with ${first.code} before it logged "${msg}": ${first.stderr}`)
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Ends the process, if a test left it running, and waits for it. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }
}

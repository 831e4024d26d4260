import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const MAIN = path('../../../clients/trainer/src/main.ts')
/** Workspaces are taken from their sources, never from a build that may be stale. */
const TSCONFIG = path('../../support/tsconfig.sources.json')

/** What a training came to. */
export interface TrainerEnd {
  /** null where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process of `keepset train`, run from its sources. */
export class TrainerProcess {
  readonly ended: Promise<TrainerEnd>
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  #hasEnded = false
  #onOutput = () => {}

  constructor(args: readonly string[]) {
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('KEEPSET_'))
    this.#child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      env: { ...Object.fromEntries(clean), TSX_TSCONFIG_PATH: TSCONFIG },
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
      this.#child.on('close', (code) => {
        this.#hasEnded = true
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr })
      })
    })
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Resolves when the standard output so far fits. Rejects if the process ends before. */
  async printed(pattern: RegExp): Promise<void> {
    const arrived = new Promise<undefined>((resolve) => {
      this.#onOutput = () => {
        if (pattern.test(this.#stdout)) resolve(undefined)
      }
      this.#onOutput()
    })
    const end = await Promise.race([arrived, this.ended])
    if (end) throw new Error(`the training ended with ${end.code} before it printed ${pattern}: ${end.stderr}`)
  }

  /** Nobody reads the output any more. */
  closeOutput(): void {
    this.#child.stdout?.destroy()
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Ends the process at once, if it has not ended, and waits for it. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }
}

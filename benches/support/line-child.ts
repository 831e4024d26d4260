import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** A process that answers each line of JSON with one, in order. What it writes to stderr is shown. */
export class LineChild {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #answers: AsyncIterator<string>

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.#child.stdout as Readable)
    this.#answers = this.#lines[Symbol.asyncIterator]()
  }

  /** What the process says next. */
  async read<Answer>(): Promise<Answer> {
    const { value, done } = await this.#answers.next()
    if (done) throw new Error(`${this.#child.spawnargs.join(' ')} ended`)
    return JSON.parse(value) as Answer
  }

  ask<Answer>(question: object): Promise<Answer> {
    const input = this.#child.stdin as Writable
    input.write(`${JSON.stringify(question)}\n`)
    return this.read()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Ends its input, and waits for its end. */
  async close(): Promise<void> {
    this.#child.stdin?.end()
    await this.#ended()
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended()
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async #ended(): Promise<void> {
    if (!this.hasEnded) await once(this.#child, 'exit')
    this.#lines.close()
  }
}

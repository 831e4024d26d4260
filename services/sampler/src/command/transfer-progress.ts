import { UnavailableError } from '@keepset/client'
import { failure } from './command-error.js'
import type { Streams } from './streams.js'

/** How often the line is written anew, in milliseconds. */
const period = 100

/** A line on a terminal that says how far a transfer is; nothing where standard error is no terminal. */
export class TransferProgress {
  readonly #output: Streams['stderr']
  readonly #describe: (done: number) => string
  #done = 0
  #shownAt = Number.NEGATIVE_INFINITY
  #width = 0

  /** @param describe how far the transfer is, in words: "exported 1.2 MB" */
  constructor({ stderr }: Streams, describe: (done: number) => string) {
    this.#output = stderr
    this.#describe = describe
  }

  /** What has passed. */
  get done(): number {
    return this.#done
  }

  /** Passes a stream on and adds up the sizes of its pieces. */
  async *watch<T>(source: AsyncIterable<T>, sizeOf: (piece: T) => number): AsyncGenerator<T, void, void> {
    try {
      for await (const piece of source) {
        yield piece
        this.#done += sizeOf(piece)
        this.#show()
      }
    } finally {
      this.#write('')
    }
  }

  /**
   * The error to throw where `error` ended the transfer: a connection that broke under way is another matter than one that was never there.
   *
   * @param remedy what the user can do then
   */
  explain(error: unknown, remedy: string): unknown {
    const isBreak = error instanceof UnavailableError && error.reason === undefined && this.#done > 0
    if (!isBreak) return error
    return failure(`the connection to the sampler broke (${this.#describe(this.#done)}): ${remedy}`, { cause: error })
  }

  #show(): void {
    const now = performance.now()
    if (now - this.#shownAt < period) return
    this.#shownAt = now
    this.#write(this.#describe(this.#done))
  }

  /** Writes over what stands there; an empty text takes it away. */
  #write(text: string): void {
    if (!this.#output.isTTY || (text === '' && this.#width === 0)) return
    this.#output.write(`\r${text.padEnd(this.#width)}${text === '' ? '\r' : ''}`)
    this.#width = text.length
  }
}

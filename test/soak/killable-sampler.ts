import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type LogLine, SamplerProcess } from '../support/sampler-process.js'
import { SamplerStubs } from '../support/test-sampler.js'

/** From where pino calls a line an error. */
const ERROR_LEVEL = 50

const errorsIn = (log: readonly LogLine[]) => log.filter(({ level }) => Number(level) >= ERROR_LEVEL)

/**
 * An address that nobody has now, below the ports that the system gives to connections: a client that tries again and again while
 * the sampler is down could otherwise be given the sampler's own port, and connect to itself.
 */
async function freeAddress(): Promise<string> {
  for (;;) {
    const server = createServer().listen(randomInt(15_000, 32_000), '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch {
      continue
    }
    const address = server.address()
    server.close()
    await once(server, 'close')
    if (address !== null && typeof address !== 'string') return `127.0.0.1:${address.port}`
  }
}

/** Settings of {@link KillableSampler.start}. */
export interface KillableOptions {
  /** Further arguments of `keepset serve`. */
  readonly args?: readonly string[]
  /** Called between two lives. */
  whileDown?(): Promise<void>
}

/** A sampler process with a file store that is killed and started again, on the same port and data folder. */
export class KillableSampler {
  readonly address: string
  readonly #args: readonly string[]
  readonly #whileDown: KillableOptions['whileDown']
  #process: SamplerProcess
  #stubs: SamplerStubs
  #kills = 0
  /** Of the lives before this one. */
  readonly #errorsBefore: LogLine[] = []
  #restarting: Promise<void> | undefined
  /** Why there is no sampler any more. */
  #end: Error | undefined

  private constructor(address: string, args: readonly string[], whileDown: KillableOptions['whileDown']) {
    this.address = address
    this.#args = ['--listen', address, ...args]
    this.#whileDown = whileDown
    this.#process = this.#launch()
    this.#stubs = new SamplerStubs(address)
  }

  static async start(dataDir: string, { args = [], whileDown }: KillableOptions = {}): Promise<KillableSampler> {
    const store = ['--store', 'file', '--data-dir', dataDir]
    const sampler = new KillableSampler(await freeAddress(), [...store, ...args], whileDown)
    await sampler.#process.logged('listening')
    return sampler
  }

  /** Kills so far. */
  get kills(): number {
    return this.#kills
  }

  /** Lines of the log that tell of an error, over all lives. */
  get errors(): LogLine[] {
    return [...this.#errorsBefore, ...errorsIn(this.#process.log)]
  }

  /** A connection that has seen no other life of the sampler: its calls fail when the sampler dies, and are not sent again. */
  get stubs(): SamplerStubs {
    return this.#stubs
  }

  /** Resolves when it listens: at once, but after a kill. Rejects for good where it ended by itself, could not start, or was stopped. */
  async running(): Promise<void> {
    await this.#restarting
    if (this.#end) throw this.#end
  }

  /** Kills it, now, and starts it again; resolves when it listens. A call while another is under way joins that. */
  async kill(): Promise<void> {
    if (this.#end) throw this.#end
    this.#restarting ??= this.#killAndStart()
    await this.#restarting
  }

  /** Shuts it down for good; rejects where that is not a clean end. */
  async stop(): Promise<void> {
    await this.running()
    this.#retire('SIGTERM')
    const { code, stderr } = await this.#process.ended
    if (code !== 0) throw new Error(`the sampler ended with ${code}: ${stderr}`)
  }

  /** Ends it, whatever it does. */
  async destroy(): Promise<void> {
    this.#retire('SIGKILL')
    await this.#restarting?.catch(() => undefined)
    await this.#process.ended
  }

  #launch(): SamplerProcess {
    const launched = SamplerProcess.serve(this.#args)
    launched.ended.then(
      ({ code, stderr }) => {
        if (code !== undefined) this.#end ??= new Error(`the sampler ended by itself with ${code}: ${stderr}`)
      },
      (error: Error) => {
        this.#end ??= error
      },
    )
    return launched
  }

  #retire(signal: NodeJS.Signals): void {
    this.#end ??= new Error('the sampler was stopped')
    this.#stubs.close()
    this.#process.signal(signal)
  }

  async #killAndStart(): Promise<void> {
    this.#process.signal('SIGKILL')
    this.#kills++
    this.#stubs.close()
    await this.#process.ended
    this.#errorsBefore.push(...errorsIn(this.#process.log))
    await this.#whileDown?.()
    if (this.#end) throw this.#end
    this.#process = this.#launch()
    await this.#process.logged('listening')
    this.#stubs = new SamplerStubs(this.address)
    this.#restarting = undefined
  }
}

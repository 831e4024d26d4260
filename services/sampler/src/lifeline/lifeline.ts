import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** How long a sampler waits for its first holder: half of what a start may take, since one that was killed keeps the next one out for so long. */
const FIRST_HOLDER_SECONDS = 5
/** A holder that says nothing for so long is probed, so that one whose machine was lost without a word counts as gone. */
const PROBE_SECONDS = 10

/** What a holder is told, as one line of JSON, when it has connected. */
export interface Greeting {
  /** Another one for each process, so that a holder knows that it has not reached another sampler on a port that was used again. */
  readonly instance: string
  readonly version: string
}

/**
 * A TCP port that keeps the sampler alive. Each process that needs the sampler keeps one connection open and need not send anything; the kernel closes it
 * however that process ends. What holders send is thrown away.
 */
export class Lifeline {
  /** The bound host:port. */
  readonly address: string
  /** Resolves, with the reason, when the last holder is gone or none came in time; never once it was closed. From then on nobody can connect. */
  readonly abandoned: Promise<string>
  readonly #server: Server
  readonly #holders = new Set<Socket>()
  readonly #firstHolder: NodeJS.Timeout
  #abandon: (reason: string) => void = () => {}

  private constructor(address: string, server: Server, greeting: Greeting, firstHolderSeconds: number) {
    this.address = address
    this.#server = server
    this.abandoned = new Promise((resolve) => {
      this.#abandon = (reason) => {
        this.close()
        resolve(reason)
      }
    })
    this.#firstHolder = setTimeout(
      () => this.#abandon(`nobody connected within ${firstHolderSeconds} s`),
      firstHolderSeconds * 1000,
    )
    // A connection that could not be taken holds nothing.
    server.on('error', () => {})
    server.on('connection', (socket) => this.#hold(socket, `${JSON.stringify(greeting)}\n`))
  }

  /** Binds. Rejects if the address cannot be bound. */
  static async start(
    listen: string,
    greeting: Greeting,
    firstHolderSeconds: number = FIRST_HOLDER_SECONDS,
  ): Promise<Lifeline> {
    const colon = listen.lastIndexOf(':')
    const host = listen.slice(0, colon)
    const server = createServer({ keepAlive: true, keepAliveInitialDelay: PROBE_SECONDS * 1000 })
    server.listen(Number(listen.slice(colon + 1)), host.replace(/^\[|\]$/g, ''))
    await once(server, 'listening').catch((error: Error) => {
      throw new Error(
        `cannot listen on ${listen} (--lifeline): ${error.message}; something else may run there, give another address`,
        { cause: error },
      )
    })
    const { port } = server.address() as AddressInfo
    return new Lifeline(`${host}:${port}`, server, greeting, firstHolderSeconds)
  }

  #hold(socket: Socket, greeting: string): void {
    clearTimeout(this.#firstHolder)
    this.#holders.add(socket)
    // A connection that breaks is closed after its error, and counts then.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#holders.delete(socket)
      if (this.#holders.size === 0 && this.#server.listening) this.#abandon('the last holder is gone')
    })
    // Who is not read is not seen to leave.
    socket.resume()
    socket.write(greeting)
  }

  /** Takes no more holders. Those that hold stay connected, so that they see when the sampler has ended. */
  close(): void {
    clearTimeout(this.#firstHolder)
    this.#server.close()
  }

  /** Cuts the holders off. */
  end(): void {
    this.close()
    for (const socket of this.#holders) socket.destroy()
  }
}

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { SamplerServiceService, StreamReportsResponse } from '@keepset/proto'
import { ANSWER_BYTES, bareMethods } from './bare-methods.js'

/** A connection of its own that carries messages, any number at once; each is answered, in their order. */
export interface Channel {
  connected(): Promise<void>
  /** Resolves with the answer. */
  send(message: Buffer): Promise<void>
  close(): Promise<void>
}

/** Who waits for an answer, oldest first. */
class Waiting {
  readonly #waiters: { resolve: () => void; reject: (error: Error) => void }[] = []

  add(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
    })
  }

  answered(): void {
    this.#waiters.shift()?.resolve()
  }

  fail(error: Error): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error)
  }
}

/** A stream of gRPC. */
class GrpcChannel implements Channel {
  readonly #client: Client
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  readonly #waiting = new Waiting()

  /** `answers`: how many messages one that comes back answers. */
  constructor(address: string, path: string, answers: (message: Buffer) => number) {
    const own = { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_http_proxy': 0 }
    this.#client = new Client(address, credentials.createInsecure(), own)
    const { requestSerialize, responseDeserialize } = bareMethods.reports
    this.#call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    this.#call.on('data', (message: Buffer) => {
      for (let left = answers(message); left > 0; left--) this.#waiting.answered()
    })
    this.#call.on('error', (error) => this.#waiting.fail(error))
  }

  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Number.POSITIVE_INFINITY, (error) => (error ? reject(error) : resolve()))
    })
  }

  send(message: Buffer): Promise<void> {
    this.#call.write(message)
    return this.#waiting.add()
  }

  async close(): Promise<void> {
    this.#call.end()
    await once(this.#call, 'end')
    this.#client.close()
  }
}

/** TCP with nothing on it but each message's length. */
class TcpChannel implements Channel {
  readonly #socket: Socket
  readonly #waiting = new Waiting()
  #bytes = 0

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('error', (error) => this.#waiting.fail(error))
    this.#socket.on('data', ({ length }) => {
      for (this.#bytes += length; this.#bytes >= ANSWER_BYTES; this.#bytes -= ANSWER_BYTES) this.#waiting.answered()
    })
  }

  async connected(): Promise<void> {
    if (this.#socket.connecting) await once(this.#socket, 'connect')
  }

  send(message: Buffer): Promise<void> {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(message.length)
    this.#socket.cork()
    this.#socket.write(length)
    this.#socket.write(message)
    this.#socket.uncork()
    return this.#waiting.add()
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.end()
    this.#socket.resume()
    await closed
  }
}

/** StreamReports of a sampler. */
export const samplerChannel = (address: string): Channel =>
  new GrpcChannel(
    address,
    SamplerServiceService.streamReports.path,
    (message) => StreamReportsResponse.decode(message).acks.length,
  )

/** The bare server's streams. */
export const bareChannel = (address: string): Channel => new GrpcChannel(address, bareMethods.reports.path, () => 1)
/** The bare server's streams that come back as they are. */
export const echoChannel = (address: string): Channel => new GrpcChannel(address, bareMethods.echo.path, () => 1)

export const tcpChannel = (port: number): Channel => new TcpChannel(port)

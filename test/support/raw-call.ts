import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type Settings } from 'node:http2'

/** A gRPC message on the wire: not compressed, its length, its bytes. */
export function frame(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

/** A gRPC call over plain HTTP/2: for what a well-behaved client never does. */
export class RawCall {
  readonly session: ClientHttp2Session
  readonly stream: ClientHttp2Stream

  private constructor(session: ClientHttp2Session, stream: ClientHttp2Stream) {
    this.session = session
    this.stream = stream
  }

  /** Opens a connection and a call on it. A window of 0 bytes in `settings` keeps the sampler from sending any message. */
  static async open(address: string, path: string, settings: Settings = {}): Promise<RawCall> {
    const session = connect(`http://${address}`, { settings })
    await once(session, 'connect')
    // What becomes of a call that a test breaks off is not what it asks for.
    session.on('error', () => {})
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => {})
    return new RawCall(session, stream)
  }

  send(...messages: readonly Uint8Array[]): void {
    for (const message of messages) this.stream.write(frame(message))
  }

  /** A round trip: what the other side had to do at once is done. */
  async ping(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.session.ping((error) => (error ? reject(error) : resolve()))
    })
  }

  /** Lets the sampler send: a new size of the call's window. */
  async setWindow(bytes: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.session.settings({ initialWindowSize: bytes }, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Takes the connection away without a word. */
  destroy(): void {
    this.session.destroy()
  }
}

/** Takes messages out of the bytes of a stream, however they are cut. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  push(bytes: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const messages: Buffer[] = []
    while (this.#rest.length >= 5 && this.#rest.length >= 5 + this.#rest.readUInt32BE(1)) {
      const end = 5 + this.#rest.readUInt32BE(1)
      messages.push(this.#rest.subarray(5, end))
      this.#rest = this.#rest.subarray(end)
    }
    return messages
  }
}

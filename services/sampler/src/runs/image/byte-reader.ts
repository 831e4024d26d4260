import type { ByteStream } from '../ports.js'
import { ImageError } from './image-error.js'

/** Reads a stream of bytes in lengths of one's own. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #piece: Uint8Array = new Uint8Array(0)
  /** Bytes read so far: where in the stream a problem is. */
  #position = 0

  readonly #onRead: (bytes: Uint8Array) => void

  /** `onRead` is told of all bytes in the order in which they are read. */
  constructor(source: ByteStream, onRead: (bytes: Uint8Array) => void = () => {}) {
    this.#onRead = onRead
    this.#source = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  get position(): number {
    return this.#position
  }

  /** The next `length` bytes, a copy that begins at an aligned address. Throws an ImageError where the stream ends before. */
  async read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length)
    for (let filled = 0; filled < length; ) {
      if (this.#piece.length === 0) await this.#next(`at least ${length - filled} bytes are missing`)
      const part = this.#piece.subarray(0, length - filled)
      bytes.set(part, filled)
      filled += part.length
      this.#piece = this.#piece.subarray(part.length)
      this.#position += part.length
    }
    this.#onRead(bytes)
    return bytes
  }

  async readU32(): Promise<number> {
    return new DataView((await this.read(4)).buffer).getUint32(0, true)
  }

  /** Throws an ImageError unless the stream ends here. */
  async expectEnd(): Promise<void> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#source.next()
      if (done) return
      this.#piece = value
    }
    throw new ImageError(`byte ${this.#position}: more follows where the end should be`)
  }

  /** Tells the source that no more is read. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #next(missing: string): Promise<void> {
    const { done, value } = await this.#source.next()
    if (done) throw new ImageError(`byte ${this.#position}: it ends here, ${missing}`)
    this.#piece = value
  }
}

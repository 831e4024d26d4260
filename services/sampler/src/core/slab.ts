/**
 * Bytes for small arrays of which thousands come and go each second: many share one buffer, since each buffer costs the collector
 * as much as its bytes do. For arrays that are soon done with: the last one of a buffer keeps all of it.
 */
export class Slab {
  readonly #bytes: number
  #buffer = new ArrayBuffer(0)
  #taken = 0

  /** `bytes` of a buffer; arrays of more than a sixteenth of it have one of their own. */
  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** So many bytes, at a multiple of 4. */
  take(length: number): Uint8Array {
    if (length > this.#bytes / 16) return new Uint8Array(length)
    if (this.#taken + length > this.#buffer.byteLength) {
      this.#buffer = new ArrayBuffer(this.#bytes)
      this.#taken = 0
    }
    const bytes = new Uint8Array(this.#buffer, this.#taken, length)
    this.#taken += 4 * Math.ceil(length / 4)
    return bytes
  }
}

import type { Snapshot } from '../../runs/ports.js'
import type { SparePieces } from './spare-pieces.js'

/** A snapshot whose image was read to its end. */
export class SavedImage {
  readonly epochStart: number | undefined
  /** Events of the run before it. */
  readonly position: number
  readonly #pieces: readonly Uint8Array[]
  /** Streams of the image that have not come to an end. */
  #streams = 0

  private constructor(pieces: readonly Uint8Array[], epochStart: number | undefined, position: number) {
    this.#pieces = pieces
    this.epochStart = epochStart
    this.position = position
  }

  /** Reads a snapshot. The pieces are copied, into `spare` ones where they fit: whoever made them may use their memory for the next ones. */
  static async read({ image, epochStart }: Snapshot, position: number, spare?: SparePieces): Promise<SavedImage> {
    const pieces: Uint8Array[] = []
    for await (const piece of image) pieces.push(spare?.copy(piece) ?? new Uint8Array(piece))
    return new SavedImage(pieces, epochStart, position)
  }

  /** The image as a stream; copied, so that its reader may change it. */
  stream(): AsyncGenerator<Uint8Array> {
    this.#streams++
    return this.#copies()
  }

  /** The memory of an image that nobody asks for any more; undefined where a stream of it may still be read. */
  giveUp(): readonly Uint8Array[] | undefined {
    return this.#streams === 0 ? this.#pieces : undefined
  }

  async *#copies(): AsyncGenerator<Uint8Array> {
    try {
      for (const piece of this.#pieces) yield new Uint8Array(piece)
    } finally {
      this.#streams--
    }
  }
}

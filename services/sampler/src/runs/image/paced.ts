/** Pieces of an image that are written without a pause. */
const PIECES = 16

/** The same pieces, with a turn of the event loop now and then: those of an empty run cost no writing in which others could have theirs. */
export async function* paced(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let count = 0
  for (const piece of pieces) {
    yield piece
    if (++count % PIECES === 0) await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

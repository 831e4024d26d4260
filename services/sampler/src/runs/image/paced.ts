/** Bytes between two turns of the event loop: to read, check and write so many takes less than a millisecond. */
const TURN_BYTES = 0x80000

/** What a piece counts as besides its bytes: those of a run of which nothing is known are a byte each, and take their time to be looked for. */
const PIECE_BYTES = 0x8000

/**
 * The same pieces, with a turn of the event loop after every half megabyte of them or 16 small ones, so that what else there is to do waits no longer than for
 * that; the image of a small run takes none.
 */
export async function* paced(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0
  for (const piece of pieces) {
    bytes += piece.length + PIECE_BYTES
    yield piece
    if (bytes < TURN_BYTES) continue
    await new Promise<void>((resolve) => setImmediate(resolve))
    bytes = 0
  }
}

import type { Snapshot } from '../../runs/ports.js'

/** A snapshot whose image was read to its end. */
export interface SavedImage {
  readonly pieces: readonly Uint8Array[]
  readonly epochStart: number | undefined
  /** Events of the run before it. */
  readonly position: number
}

/** Reads a snapshot. The pieces are copied: whoever made them may use their memory for the next ones. */
export async function readSnapshot({ image, epochStart }: Snapshot, position: number): Promise<SavedImage> {
  const pieces: Uint8Array[] = []
  for await (const piece of image) pieces.push(new Uint8Array(piece))
  return { pieces, epochStart, position }
}

/** The image as a stream; copied, so that its reader may change it. */
export async function* piecesOf({ pieces }: SavedImage): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield new Uint8Array(piece)
}

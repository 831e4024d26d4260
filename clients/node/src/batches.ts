/** Consecutive positions of a rank's plan: what one training step is made of. */
export interface Batch {
  /** Indices of the samples, in training order. A copy: free to change. */
  readonly indices: Uint32Array<ArrayBuffer>
  /** Position of the first index in the rank's plan, from 0. Hand it in as `startPosition` to go on here after a restart. */
  readonly startPosition: number
}

/** Cuts pieces of any size into batches of `batchSize`; the last one is shorter where the positions do not divide. */
export async function* cutBatches(
  pieces: AsyncIterable<Uint32Array>,
  batchSize: number,
  startPosition: number,
): AsyncGenerator<Batch, void, void> {
  let batch = new Uint32Array(batchSize)
  let filled = 0
  let position = startPosition
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length; ) {
      const part = piece.subarray(from, from + batchSize - filled)
      batch.set(part, filled)
      filled += part.length
      from += part.length
      if (filled < batchSize) break
      yield { indices: batch, startPosition: position }
      position += batchSize
      batch = new Uint32Array(batchSize)
      filled = 0
    }
  }
  if (filled > 0) yield { indices: batch.slice(0, filled), startPosition: position }
}

/** Consecutive positions of a rank's plan: what one training step is made of. */
export interface Batch {
  /** Indices of the samples, in training order. A copy: free to change. */
  readonly indices: Uint32Array<ArrayBuffer>
  /**
   * Weight of the loss of each of them, in the same order; undefined where the plan has none. What is to be minimised is the mean of weight x loss over
   * the batch. A copy: free to change.
   */
  readonly weights: Float32Array<ArrayBuffer> | undefined
  /** Position of the first index in the rank's plan, from 0. Hand it in as `startPosition` to go on here after a restart. */
  readonly startPosition: number
}

/** Consecutive positions as they come: weights are as many as indices, or undefined in every piece. */
export type Piece = Pick<Batch, 'indices' | 'weights'>

/** Cuts pieces of any size into batches of `batchSize`; the last one is shorter where the positions do not divide. */
export async function* cutBatches(
  pieces: AsyncIterable<Piece>,
  batchSize: number,
  startPosition: number,
): AsyncGenerator<Batch, void, void> {
  let batch: Piece | undefined
  let filled = 0
  let position = startPosition
  for await (const { indices, weights } of pieces) {
    for (let from = 0; from < indices.length; ) {
      batch ??= emptyBatch(batchSize, weights !== undefined)
      const end = from + batchSize - filled
      const part = indices.subarray(from, end)
      batch.indices.set(part, filled)
      if (weights) batch.weights?.set(weights.subarray(from, end), filled)
      filled += part.length
      from += part.length
      if (filled < batchSize) break
      yield { ...batch, startPosition: position }
      position += batchSize
      batch = undefined
      filled = 0
    }
  }
  if (batch) {
    const { indices, weights } = batch
    yield { indices: indices.slice(0, filled), weights: weights?.slice(0, filled), startPosition: position }
  }
}

function emptyBatch(size: number, hasWeights: boolean): Piece {
  return { indices: new Uint32Array(size), weights: hasWeights ? new Float32Array(size) : undefined }
}

/** The kept set that leaves nothing out: 0 to sampleCount - 1. */
export function everything(sampleCount: number): Uint32Array {
  const indices = new Uint32Array(sampleCount)
  for (let i = 0; i < sampleCount; i++) indices[i] = i
  return indices
}

import type { KeptSetBuilder } from './kept-set-builder.js'

/** Adds these samples to an empty set, see `KeptSetBuilder.add`; without any it adds every sample, since an epoch must train on something. */
export function addOrEverything(builder: KeptSetBuilder, indices: Uint32Array, weights?: Float32Array): void {
  if (indices.length === 0) builder.addEverything()
  else builder.add(indices, weights)
}

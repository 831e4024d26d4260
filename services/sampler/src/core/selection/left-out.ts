import type { KeptSet } from './kept-set.js'

/** The samples that are not in a set, in ascending order. */
export function leftOutOf(keptSet: KeptSet, sampleCount: number): Uint32Array {
  const leftOut = new Uint32Array(sampleCount - keptSet.count)
  let found = 0
  for (let index = 0; index < sampleCount; index++) if (!keptSet.has(index)) leftOut[found++] = index
  return leftOut
}

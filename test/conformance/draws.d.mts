export type Words = Iterator<bigint>

export const PURPOSE: { order: 1; draw: 2; ties: 3; explore: 4 }
export function share(x: number, n: number): number
export function philox4x32(
  counter: readonly [bigint, bigint, bigint, bigint],
  key: readonly [bigint, bigint],
): [bigint, bigint, bigint, bigint]
export function stream(seed: bigint | number | string, epoch: number, purpose: number): Generator<bigint, never>
export function below(words: Words, n: number): number
export function choose<Item>(words: Words, count: number, list: readonly Item[]): Item[]
export function shuffle<Item>(words: Words, list: readonly Item[], splitAbove?: number): Item[]
export function ascending(a: number, b: number): number
export function top(k: number, scores: readonly number[], seen: readonly boolean[], ties: Words): number[]

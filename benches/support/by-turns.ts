/** Something that is measured again and again; all are asked in the same round. */
export type Way<T> = (round: number) => T | Promise<T>

/** Measures by turns, in an order that turns around each round. Round 0 warms up, and does not count. */
export async function byTurns<T, Name extends string>(
  rounds: number,
  ways: Readonly<Record<Name, Way<T>>>,
): Promise<Record<Name, T[]>> {
  const names = Object.keys(ways) as Name[]
  const measured = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, T[]>
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const value = await ways[name](round)
      if (round > 0) measured[name].push(value)
    }
  }
  return measured
}

/** Of each round, `values` as a multiple of what the reference came to in it. */
export function ratios(values: readonly number[], reference: readonly number[]): number[] {
  return values.map((value, round) => value / (reference[round] as number))
}

/** Milliseconds that work takes. */
export async function timed(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

import type { Profiler } from 'node:inspector'

/** Milliseconds of a profile by what the work was for. */
export type Shares = Readonly<Record<string, number>>

/**
 * Gives the time of each sample to what `nameOf` says of the innermost frame that it knows, by its function and the URL of its file: what Node does for a
 * caller is the caller's. Samples of no such frame are `rest`; those in which the thread did nothing are left out.
 */
export function sharesOf(
  { nodes, samples = [], timeDeltas = [] }: Profiler.Profile,
  nameOf: (functionName: string, url: string) => string | undefined,
  rest: string,
): Shares {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const shares: Record<string, number> = {}
  const named = new Map<number, string>()
  const find = (id: number | undefined): string => {
    if (id === undefined) return rest
    const known = named.get(id)
    if (known !== undefined) return known
    const { functionName, url } = (byId.get(id) as Profiler.ProfileNode).callFrame
    const name = nameOf(functionName, url) ?? find(parents.get(id))
    named.set(id, name)
    return name
  }
  samples.forEach((id, i) => {
    if (byId.get(id)?.callFrame.functionName === '(idle)') return
    const name = find(id)
    shares[name] = (shares[name] ?? 0) + (timeDeltas[i] ?? 0) / 1000
  })
  return shares
}

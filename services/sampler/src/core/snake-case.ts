/** A name of the domain as it is written in the contract: pruneRate becomes prune_rate. */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

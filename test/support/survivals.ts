import type { Survival } from './disk-tree.js'

/** All that was not synced is gone. */
export const nothingSurvives: Survival = { change: () => false, content: ([synced]) => synced }

/** The machine went down after the last page was written. */
export const everythingSurvives: Survival = { change: () => true, content: (versions) => last(versions) }

/** Names are written before what is in the files: new files are empty. */
export const namesSurvive: Survival = { change: () => true, content: ([synced]) => synced }

/** What is in the files is written before their names. */
export const contentsSurvive: Survival = { change: () => false, content: (versions) => last(versions) }

/** Files have their new lengths, but what was written to them is zeros. */
export const lengthsSurvive: Survival = {
  change: () => true,
  content: (versions, synced) => {
    const content = new Uint8Array(last(versions).length)
    content.set(versions[0].subarray(0, Math.min(synced, content.length)))
    return content
  },
}

/**
 * Any of it: each change of a name or none, each file cut at any byte and put together from pages that are new, old, zeros or garbage. Pages are
 * smaller than those of any disk, since the files of tests are; but none is smaller than what a store writes as one thing at the front of a file.
 * `random` gives numbers in [0, 1).
 */
export function someSurvives(random: () => number): Survival {
  const below = (limit: number) => Math.floor(random() * limit)
  return {
    change: () => random() < 0.5,
    content: (versions, synced) => {
      const fate = random()
      if (fate < 0.15) return versions[0]
      if (fate < 0.3) return last(versions)
      const longest = Math.max(...versions.map(({ length }) => length))
      const shortest = Math.min(synced, last(versions).length)
      const content = new Uint8Array(shortest + below(longest - shortest + 1))
      const pageSize = [64, 128, 512][below(3)] as number
      // Half of the files are only cut; the others lose pages in the middle, too.
      const isOnlyCut = random() < 0.5
      for (let start = 0; start < content.length; start += pageSize) {
        const page = content.subarray(start, start + pageSize)
        const kind = isOnlyCut ? 0 : random()
        if (kind >= 0.8) page.fill(kind < 0.9 ? 0 : 1 + below(255))
        else
          page.set(
            (kind < 0.6 ? last(versions) : (versions[below(versions.length)] ?? last(versions))).subarray(
              start,
              start + page.length,
            ),
          )
      }
      content.set(versions[0].subarray(0, Math.min(synced, content.length)))
      return content
    },
  }
}

function last(versions: readonly [Uint8Array, ...Uint8Array[]]): Uint8Array {
  return versions[versions.length - 1] as Uint8Array
}

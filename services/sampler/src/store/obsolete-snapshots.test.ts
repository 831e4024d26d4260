import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keptEpochStarts, obsoleteSnapshots } from './obsolete-snapshots.js'

/** Snapshots as they were saved, `undefined` for one that is no epoch start; what stays is told by its place in the list. */
function split(epochStarts: readonly (number | undefined)[], count: number) {
  const saved = epochStarts.map((epochStart, place) => ({ epochStart, place }))
  return {
    kept: keptEpochStarts(saved, count).map(({ place }) => place),
    obsolete: obsoleteSnapshots(saved, count).map(({ place }) => place),
  }
}

describe('obsoleteSnapshots', () => {
  it.each<[string, (number | undefined)[], number, number[], number[]]>([
    ['nothing of a single epoch start', [0], 3, [0], []],
    ['what is older than the newest epoch starts', [0, 1, 2, 3], 3, [1, 2, 3], [0]],
    ['a snapshot that is no epoch start, once there is a newer one', [0, undefined, 1], 3, [0, 2], [1]],
    ['not the newest, although it is no epoch start', [0, 1, undefined], 2, [0, 1], []],
    ['not the newest, although it is older in epochs than all', [4, 5, 6, undefined], 1, [2], [0, 1]],
    ['the epochs that a rewind took back', [3, 4, 5, 4], 3, [0, 3], [1, 2]],
    ['everything before a rewind to the oldest', [3, 4, 5, 3], 3, [3], [0, 1, 2]],
    ['the same epoch start saved before', [2, 2], 3, [1], [0]],
    ['all but the newest, where none is kept for rewinding', [0, 1, 2], 0, [], [0, 1]],
    ['nothing of nothing', [], 3, [], []],
  ])('names %s', (_, epochStarts, count, kept, obsolete) => {
    expect(split(epochStarts, count)).toEqual({ kept, obsolete })
  })

  it('names nothing more once what it named has gone', () => {
    const saved = fc.array(fc.option(fc.nat(6), { nil: undefined }), { maxLength: 12 })
    fc.assert(
      fc.property(saved, fc.nat(4), (epochStarts, count) => {
        const { kept, obsolete } = split(epochStarts, count)
        const rest = epochStarts.filter((_, place) => !obsolete.includes(place))
        const again = split(rest, count)
        expect(again.obsolete).toEqual([])
        expect(again.kept.map((place) => rest[place])).toEqual(kept.map((place) => epochStarts[place]))
        expect(kept.length).toBeLessThanOrEqual(count)
      }),
    )
  })
})

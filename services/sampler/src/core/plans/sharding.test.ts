import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyRankPositions, ownCount, positionCount, type ShardMode } from './sharding.js'
import { rankPositions } from './testing/rank-positions.js'

const cases = fc.record({
  keptCount: fc.integer({ min: 1, max: 200 }),
  worldSize: fc.integer({ min: 1, max: 12 }),
  shardMode: fc.constantFrom<ShardMode>('pad', 'drop'),
  positionMultiple: fc.integer({ min: 1, max: 9 }),
})

const orderOf = (count: number) => Uint32Array.from({ length: count }, (_, i) => (i * 7919) % 100_003)

describe('rankPositions', () => {
  it('gives all ranks the same number of positions, a multiple of position_multiple', () => {
    fc.assert(
      fc.property(cases, ({ keptCount, ...sharding }) => {
        const positions = positionCount(keptCount, sharding)
        expect(positions % sharding.positionMultiple).toBe(0)
        if (sharding.shardMode === 'drop') expect(positions * sharding.worldSize).toBeLessThanOrEqual(keptCount)
        else if (keptCount >= sharding.worldSize)
          expect(positions * sharding.worldSize).toBeGreaterThanOrEqual(keptCount)
        else expect(positions).toBe(0)
      }),
    )
  })

  it("puts each sample on one rank alone: PAD covers the kept set, DROP its first positions, copies are the rank's first sample", () => {
    fc.assert(
      fc.property(cases, ({ keptCount, ...sharding }) => {
        const order = orderOf(keptCount)
        const positions = positionCount(keptCount, sharding)
        fc.pre(positions > 0)
        const seen = new Set<number>()
        for (let rank = 0; rank < sharding.worldSize; rank++) {
          const indices = rankPositions(order, rank, sharding, 0, positions)
          const own = indices.slice(0, ownCount(keptCount, rank, sharding))
          expect(new Set(own).size).toBe(own.length)
          for (const index of own) {
            expect(seen.has(index)).toBe(false)
            seen.add(index)
          }
          for (const index of indices.slice(own.length)) expect(index).toBe(order[rank])
        }
        const covered = sharding.shardMode === 'pad' ? keptCount : positions * sharding.worldSize
        expect(seen).toEqual(new Set(order.slice(0, covered)))
      }),
    )
  })

  it('gives any part of the positions', () => {
    fc.assert(
      fc.property(cases, fc.nat(), fc.nat(), fc.nat(), ({ keptCount, ...sharding }, ofRank, from, length) => {
        const order = orderOf(keptCount)
        const positions = positionCount(keptCount, sharding)
        fc.pre(positions > 0)
        const rank = ofRank % sharding.worldSize
        const start = from % (positions + 1)
        const end = start + (length % (positions - start + 1))
        const all = rankPositions(order, rank, sharding, 0, positions)
        expect(rankPositions(order, rank, sharding, start, end)).toEqual(all.slice(start, end))
      }),
    )
  })
})

describe('copyRankPositions', () => {
  it('changes nothing beside its target', () => {
    const sharding = { worldSize: 3, shardMode: 'pad', positionMultiple: 4 } as const
    const order = orderOf(16)
    const all = new Uint32Array(9).fill(0xffffffff)
    copyRankPositions(order, 1, sharding, 3, all.subarray(2, 7))
    expect([...all]).toEqual([...all.slice(0, 2), ...rankPositions(order, 1, sharding, 3, 8), ...all.slice(7)])
    expect([...all.slice(0, 2), ...all.slice(7)]).toEqual([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff])
  })
})

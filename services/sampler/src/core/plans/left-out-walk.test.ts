import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeptSet } from '../selection/kept-set.js'
import { LeftOutWalk, leftOutCount } from './left-out-walk.js'

it('deals what a set leaves out to the ranks in ascending order, from any start, in any pieces', () => {
  const kept = fc.uniqueArray(fc.nat(199), { maxLength: 200 })
  fc.assert(
    fc.property(
      kept,
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(5),
      fc.nat(7),
      (...all) => {
        const [indices, sampleCount, worldSize, start, piece] = all
        const inside = indices.filter((index) => index < sampleCount)
        const keptSet = KeptSet.of(inside, sampleCount)
        const leftOut = [...Array(sampleCount).keys()].filter((index) => !inside.includes(index))
        for (let rank = 0; rank < worldSize; rank++) {
          const own = leftOut.filter((_, i) => i % worldSize === rank)
          expect(leftOutCount(keptSet, sampleCount, rank, worldSize)).toBe(own.length)
          const from = Math.min(start, own.length)
          const walk = new LeftOutWalk(keptSet, rank, worldSize, from)
          const found = new Uint32Array(own.length - from)
          for (let at = 0; at < found.length; at += piece + 1) walk.fill(found.subarray(at, at + piece + 1))
          expect([...found]).toEqual(own.slice(from))
        }
      },
    ),
  )
})

it('takes a set whose last bytes are not there as one that leaves them out', () => {
  const found = new Uint32Array(3)
  new LeftOutWalk(new KeptSet(Uint8Array.of(0xff, 0xfe), 15), 0, 1).fill(found)
  expect([...found]).toEqual([8, 16, 17])
})

import { describe, expect, it } from 'vitest'
import { paced } from './paced.js'

/** Reads `count` pieces of a length. Returns how many of them each turn of the event loop had. */
async function piecesPerTurn(count: number, length: number): Promise<number[]> {
  const turns = [0]
  let isOver = false
  const watch = () => {
    turns.push(0)
    if (!isOver) setImmediate(watch)
  }
  setImmediate(watch)
  const all = Array.from({ length: count }, () => new Uint8Array(length))
  const read: Uint8Array[] = []
  for await (const piece of paced(all)) {
    read.push(piece)
    turns.push((turns.pop() as number) + 1)
  }
  isOver = true
  expect(read.length).toBe(count)
  expect(read.every((piece, i) => piece === all[i])).toBe(true)
  return turns.filter((pieces) => pieces > 0)
}

describe('paced', () => {
  it.each([
    ['each large piece', 4, 0x80001, [1, 1, 1, 1]],
    ['some that come to half a megabyte', 5, 0x30000, [3, 2]],
    ['16 small ones', 40, 1, [16, 16, 8]],
  ])('gives the event loop a turn after %s', async (_, count, length, turns) => {
    expect(await piecesPerTurn(count, length)).toEqual(turns)
  })

  it('takes none for the image of a small run', async () => {
    expect(await piecesPerTurn(10, 10_000)).toEqual([10])
  })
})

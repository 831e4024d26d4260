import { describe, expect, it } from 'vitest'
import { SparePieces } from './spare-pieces.js'

describe('SparePieces', () => {
  it('copies into a piece of the same length, each once, and into fresh memory otherwise', () => {
    const old = [new Uint8Array(3).fill(9), new Uint8Array(2).fill(9)]
    const spare = new SparePieces(old)
    const bytes = Uint8Array.of(1, 2, 3)
    const [first, second] = [spare.copy(bytes), spare.copy(bytes)]
    expect([first, second]).toEqual([bytes, bytes])
    expect(first).toBe(old[0])
    expect(second).not.toBe(bytes)
    expect([...(old[1] as Uint8Array)]).toEqual([9, 9])
  })
})

import { describe, expect, it } from 'vitest'
import { copyReported, PIECE_SAMPLES, PieceCopies } from './piece-copies.js'
import { emptyColumns } from './statistics-columns.js'

const PIECES = 3000
const SAMPLES = PIECES * PIECE_SAMPLES - 5

/** Columns in which every value is that of its sample, plus `more`. */
function columnsOf(more: number) {
  const columns = emptyColumns(SAMPLES, 1)
  const all = [columns.mean, columns.variance, columns.lastLoss, columns.observations, ...columns.metrics]
  for (const values of all) for (let i = 0; i < SAMPLES; i++) values[i] = (i + more) % 0x10000
  return columns
}

describe('PieceCopies', () => {
  it('keeps a piece as it was when it was added, over as many chunks as it takes', () => {
    const living = columnsOf(0)
    const copies = new PieceCopies(SAMPLES, 1)
    for (let piece = 1; piece < PIECES; piece++) copies.add(piece, living)
    copyReported(living, 0, columnsOf(9), 0, SAMPLES)
    expect([copies.has(0), copies.has(1), copies.has(PIECES - 1)]).toEqual([false, true, true])
    const read = emptyColumns(SAMPLES, 1)
    for (let start = PIECE_SAMPLES; start < SAMPLES; start += PIECE_SAMPLES) {
      const count = Math.min(PIECE_SAMPLES, SAMPLES - start) - 1
      copies.copyTo(read, start + 1, start / PIECE_SAMPLES, 1, count)
    }
    const expected = columnsOf(0)
    for (const [values, right] of [
      [read.mean, expected.mean],
      [read.observations, expected.observations],
      [read.metrics[0], expected.metrics[0]],
    ] as const) {
      const last = SAMPLES - 1
      expect([values?.[65], values?.[65_601], values?.[last]]).toEqual([right?.[65], right?.[65_601], right?.[last]])
    }
  })

  it('uses the memory of a dropped copy for the next one', () => {
    const copies = new PieceCopies(SAMPLES, 1)
    const [before, after] = [columnsOf(0), columnsOf(1)]
    copies.add(2, before)
    copies.drop(2)
    expect(copies.has(2)).toBe(false)
    const read = emptyColumns(PIECE_SAMPLES, 1)
    for (let piece = 0; piece < PIECES; piece++) {
      copies.add(piece, after)
      if (piece % 1000 === 0) copies.copyTo(read, 0, piece, 0, PIECE_SAMPLES)
      if (piece % 1000 === 0) expect(read.mean[7]).toBe((piece * PIECE_SAMPLES + 7 + 1) % 0x10000)
      copies.drop(piece)
    }
    expect(copies.bytes).toBeLessThan(1_500_000)
  })

  it('gives its memory back at once', () => {
    const copies = new PieceCopies(SAMPLES, 1)
    copies.add(2, columnsOf(0))
    expect(copies.bytes).toBeGreaterThan(0)
    copies.release()
    expect([copies.bytes, copies.has(2)]).toEqual([0, false])
  })
})

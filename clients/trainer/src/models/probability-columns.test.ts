import { describe, expect, it } from 'vitest'
import { probabilityColumns } from './probability-columns.js'

const names = ['correct', 'confidence', 'el2n'] as const
const columnsOf = (rows: number[][], labels: number[]) =>
  probabilityColumns(Float32Array.from(rows.flat()), Uint8Array.from(labels), names)

describe('probabilityColumns', () => {
  it('gives what the softmax says', () => {
    // Probabilities 0.2, 0.3 and 0.5, whatever is added to all logits of a row.
    const row = [Math.log(2), Math.log(3), Math.log(5)]
    const { correct, confidence, el2n } = columnsOf([row, row.map((logit) => logit + 40), row], [0, 1, 2])
    expect(correct).toEqual(Float32Array.of(0, 0, 1))
    const expected = [Math.hypot(0.8, 0.3, 0.5), Math.hypot(0.2, 0.7, 0.5), Math.hypot(0.2, 0.3, 0.5)]
    for (const [sample, value] of expected.entries()) {
      expect(confidence?.[sample]).toBeCloseTo(0.5, 5)
      expect(el2n?.[sample]).toBeCloseTo(value, 5)
    }
  })

  it('predicts the first of equal logits', () => {
    const rows = [0, 1, 2].map(() => [1, 2, 2])
    expect(columnsOf(rows, [0, 1, 2]).correct).toEqual(Float32Array.of(0, 1, 0))
  })

  it('keeps its digits where the model is sure, and stays finite', () => {
    const { confidence, el2n } = columnsOf(
      [
        [30, 0],
        [30, 0],
        [3000, 0],
      ],
      [0, 1, 1],
    )
    expect(confidence).toEqual(Float32Array.of(1, 1, 1))
    const small = Math.SQRT2 / (1 + Math.exp(30))
    expect((el2n?.[0] ?? 0) / small).toBeCloseTo(1, 6)
    expect(el2n?.subarray(1)).toEqual(Float32Array.of(Math.SQRT2, Math.SQRT2))
  })

  it('takes no class for predicted where the logits are no numbers', () => {
    const { correct, confidence, el2n } = columnsOf([[Number.NaN, Number.NaN]], [0])
    expect(correct).toEqual(Float32Array.of(0))
    expect(confidence).toEqual(Float32Array.of(Number.NaN))
    expect(el2n).toEqual(Float32Array.of(Number.NaN))
  })

  it('gives the columns that were asked for, no others', () => {
    expect(Object.keys(probabilityColumns(Float32Array.of(1, 2), Uint8Array.of(0), ['el2n']))).toEqual(['el2n'])
  })
})

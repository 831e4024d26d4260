import type { ColumnName, Columns } from './columns.js'

/** What a sample's logits tell. */
interface Scores {
  readonly correct: number
  readonly confidence: number
  readonly el2n: number
}

/** The columns that follow from the logits. */
export type ProbabilityColumnName = Exclude<ColumnName, 'grand'>

/**
 * Computes columns from a batch's logits, on the host: they are few numbers, and so every backend gives the same columns for the same logits.
 *
 * @param logits n * classes numbers, before the softmax, row after row.
 * @param labels n class indices.
 */
export function probabilityColumns(
  logits: Float32Array,
  labels: Uint8Array,
  names: readonly ProbabilityColumnName[],
): Columns {
  const classes = logits.length / labels.length
  const columns = names.map((name) => [name, new Float32Array(labels.length)] as const)
  labels.forEach((label, sample) => {
    const scores = scoresOf(logits.subarray(sample * classes, (sample + 1) * classes), label)
    for (const [name, values] of columns) values[sample] = scores[name]
  })
  return Object.fromEntries(columns)
}

function scoresOf(logits: Float32Array, label: number): Scores {
  // Where all are NaN no class is predicted.
  let predicted = -1
  let largest = Number.NEGATIVE_INFINITY
  logits.forEach((logit, index) => {
    if (logit > largest) [predicted, largest] = [index, logit]
  })
  let otherSum = 0
  let otherSquares = 0
  logits.forEach((logit, index) => {
    if (index === label) return
    const exponential = Math.exp(logit - largest)
    otherSum += exponential
    otherSquares += exponential ** 2
  })
  const sum = otherSum + Math.exp((logits[label] ?? Number.NaN) - largest)
  return {
    correct: Number(predicted === label),
    confidence: 1 / sum,
    // 1 - p of the label is the sum of the others: a difference of two numbers near 1 would lose its digits.
    el2n: Math.sqrt(otherSquares + otherSum ** 2) / sum,
  }
}

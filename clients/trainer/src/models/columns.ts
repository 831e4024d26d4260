/**
 * What can be told of a sample beside its loss, each from the pass that gives the loss:
 *
 * - `correct`: 1 where the predicted class (the largest logit, the first of equal ones) is the label, else 0.
 * - `confidence`: probability of the predicted class, max softmax(logits). Range 0 to 1.
 * - `el2n`: L2 norm of softmax(logits) - onehot(label). Range 0 to sqrt(2). Paul et al. 2021, arXiv 2107.07075.
 * - `grand`: L2 norm of the sample's own loss gradient, over all trainable parameters together, without weight decay. Ibid.
 */
export const COLUMN_NAMES = ['correct', 'confidence', 'el2n', 'grand'] as const

export type ColumnName = (typeof COLUMN_NAMES)[number]

/** A value for each sample of a batch, by the column's name. */
export type Columns = Readonly<Partial<Record<ColumnName, Float32Array>>>

export function isColumnName(name: string): name is ColumnName {
  return (COLUMN_NAMES as readonly string[]).includes(name)
}

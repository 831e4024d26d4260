import { createCnn } from './cnn.js'
import { COLUMN_NAMES, isColumnName } from './columns.js'
import { createMlp } from './mlp.js'
import { createResnet8 } from './resnet8.js'

export const MODELS = {
  mlp: { create: createMlp, hasBatchNorm: false },
  cnn: { create: createCnn, hasBatchNorm: true },
  resnet8: { create: createResnet8, hasBatchNorm: true },
} as const

export type ModelName = keyof typeof MODELS

/** Why a model has no column of that name, and what to take instead; undefined where it has it. */
export function whyNoColumn(model: ModelName, column: string): string | undefined {
  if (!isColumnName(column)) return `"${column}" is none of the columns ${COLUMN_NAMES.join(', ')}`
  if (column !== 'grand' || !MODELS[model].hasBatchNorm) return undefined
  return (
    `grand is not there for the model ${model}, whose batch norm mixes the samples of a batch, ` +
    'so that none has a gradient of its own: take the model mlp, or el2n in the place of grand'
  )
}

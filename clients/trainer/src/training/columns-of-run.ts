import { type ColumnName, isColumnName } from '../models/columns.js'
import { type ModelName, whyNoColumn } from '../models/models.js'
import { OptionError } from './train-options.js'

/**
 * The columns that a training reports: all metrics of its run, those that were asked for and those that the policy needs.
 *
 * @throws {OptionError} if the policy needs one that the model does not have
 */
export function columnsOfRun(
  metrics: readonly string[],
  { model, policy }: { readonly model: ModelName; readonly policy: string },
): ColumnName[] {
  for (const name of metrics) {
    const problem = whyNoColumn(model, name)
    if (problem !== undefined) {
      throw new OptionError('policy', policy, `needs a column that this training cannot report: ${problem}`)
    }
  }
  return metrics.filter(isColumnName)
}

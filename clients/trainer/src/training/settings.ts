import { createHash } from 'node:crypto'
import type { DataSet } from '../data/data-set.js'
import type { ResolvedTrainOptions } from './train-options.js'

/** Options that may differ between a training and its resumption, since they do not change what is learnt. */
type FreeOption = 'address' | 'connectTimeout' | 'runId' | 'data' | 'backend' | 'metrics' | 'checkpoint' | 'resume'

/** What decides the outcome of a training, apart from the backend's rounding. */
export type TrainingSettings = Omit<ResolvedTrainOptions, FreeOption> & {
  /** SHA-256 of the images and labels, hex. */
  readonly dataDigest: string
}

/** Picks the settings out of the options; `data` is the set as it is trained on. */
export function settingsOf(options: ResolvedTrainOptions, data: DataSet): TrainingSettings {
  const { address, connectTimeout, runId, data: folder, backend, metrics, checkpoint, resume, ...settings } = options
  return { ...settings, dataDigest: digestOf(data) }
}

function digestOf({ inputShape, train, test }: DataSet): string {
  const hash = createHash('sha256').update(`${inputShape.join('x')} ${train.count} ${test.count}\n`)
  for (const part of [train, test]) hash.update(part.images).update(part.labels)
  return hash.digest('hex')
}

/** Names of the settings in which two trainings differ. */
export function differingSettings(a: TrainingSettings, b: TrainingSettings): (keyof TrainingSettings)[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)] as (keyof TrainingSettings)[])
  // As texts: a setting may be a list, or several by their names.
  return [...names].filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]))
}

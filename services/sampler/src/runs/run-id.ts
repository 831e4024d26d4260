import { invalidField } from './run-error.js'

const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** Whether a value is a text that can name a run. */
export function isRunId(value: unknown): boolean {
  return typeof value === 'string' && RUN_ID.test(value)
}

/** Throws INVALID_FIELD for a text that cannot name a run. */
export function checkRunId(runId: string): void {
  if (isRunId(runId)) return
  const rule = "1 to 128 characters out of A-Z, a-z, 0-9, '.', '_' and '-', the first one a letter or a digit"
  throw invalidField('run_id', `run_id is ${JSON.stringify(runId.slice(0, 200))}; it must be ${rule}`)
}

import { isDeepStrictEqual } from 'node:util'
import { toSnakeCase } from '../core/snake-case.js'
import { RunError } from './run-error.js'
import type { RunSpec } from './run-spec.js'

/** A value of a spec as text. */
function show(value: RunSpec[keyof RunSpec]): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? part.toString() : part)) ?? 'unset'
}

/** A value as it comes back from a record: -0 is 0. */
function recorded(value: RunSpec[keyof RunSpec]): unknown {
  return value === undefined ? undefined : JSON.parse(show(value))
}

/** Whether two specs are the same. */
export function isSameSpec(a: RunSpec, b: RunSpec): boolean {
  return differingFields(a, b).length === 0
}

function differingFields(a: RunSpec, b: RunSpec): (keyof RunSpec)[] {
  const fields = Object.keys(a) as (keyof RunSpec)[]
  return fields.filter((field) => !isDeepStrictEqual(recorded(a[field]), recorded(b[field])))
}

/** Throws RUN_EXISTS with every setting in which a run that is to be created differs from the one that has its run_id. */
export function checkSameSpec(runId: string, existing: RunSpec, wanted: RunSpec): void {
  const differences = differingFields(wanted, existing).map(
    (field) => `spec.${toSnakeCase(field)} is ${show(wanted[field])}, there ${show(existing[field])}`,
  )
  if (differences.length === 0) return
  const message = `run "${runId}" exists with another spec (${differences.join('; ')}); take another run_id, or delete the run`
  throw new RunError('RUN_EXISTS', runId, message)
}

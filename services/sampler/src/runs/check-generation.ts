import type { Run } from './run.js'
import { RunError } from './run-error.js'

/** Throws STALE_GENERATION for a caller that knows another life of the run. 0 = not stated. */
export function checkGeneration(run: Run, generation: number): void {
  if (generation !== 0 && generation !== run.generation) throw staleGeneration(run, generation)
}

export function staleGeneration({ runId, generation: present }: Run, generation: number): RunError {
  const message =
    generation > present
      ? `generation is ${generation}, but run "${runId}" is in generation ${present}; it was restored from an older copy, read the run again`
      : `generation is ${generation}, but run "${runId}" was rewound and is in generation ${present}; another trainer goes on with it: stop, or read the run again`
  return new RunError('STALE_GENERATION', runId, message)
}

import { isDeepStrictEqual } from 'node:util'
import { toSnakeCase } from '../core/snake-case.js'
import type { RunStore } from './ports.js'
import { Run } from './run.js'
import { invalidField, RunError, runNotFound } from './run-error.js'
import type { RunCreated } from './run-event.js'
import { RunOwner, type RunOwnerParts } from './run-owner.js'
import { type RequestedRunSpec, type RunSpec, resolveRunSpec } from './run-spec.js'

/** What a sampler takes on. */
export interface RunLimits {
  readonly maxRuns: number
  /** Of one run. */
  readonly maxSamples: number
}

const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const MAX_PAGE_SIZE = 1000
const DEFAULT_PAGE_SIZE = 50

function checkRunId(runId: string): void {
  if (RUN_ID.test(runId)) return
  const rule = "1 to 128 characters out of A-Z, a-z, 0-9, '.', '_' and '-', the first one a letter or a digit"
  throw invalidField('run_id', `run_id is ${JSON.stringify(runId.slice(0, 200))}; it must be ${rule}`)
}

/** A value of a spec as text. */
function show(value: RunSpec[keyof RunSpec]): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? part.toString() : part)) ?? 'unset'
}

/** All runs of a sampler, by their run_id. Nothing is shared between runs. */
export class RunRegistry {
  readonly #owners = new Map<string, RunOwner>()
  /** Creations and deletions under way: a second call about the same run waits for the first. */
  readonly #changing = new Map<string, Promise<unknown>>()
  readonly #store: RunStore
  readonly #limits: RunLimits
  readonly #parts: RunOwnerParts

  constructor(store: RunStore, limits: RunLimits, parts: RunOwnerParts) {
    this.#store = store
    this.#limits = limits
    this.#parts = parts
  }

  /** Creates a run, or answers the one that has this run_id and this spec already. */
  create(runId: string, requested: RequestedRunSpec): Promise<Run> {
    checkRunId(runId)
    const spec = resolveRunSpec(requested)
    return this.#exclusively(runId, async () => {
      const existing = this.#owners.get(runId)
      if (!existing) return this.#add(runId, spec)
      this.#checkSameSpec(existing.run, spec)
      return existing.read()
    })
  }

  /** Throws RUN_NOT_FOUND if there is none. */
  get(runId: string): RunOwner {
    const owner = this.#owners.get(runId)
    if (!owner) throw runNotFound(runId)
    return owner
  }

  /** A page of the runs after `after` ('' for the first page) in the order of their run_id, and whether more follow. */
  async list(pageSize: number, after: string): Promise<{ runs: Run[]; hasMore: boolean }> {
    if (pageSize > MAX_PAGE_SIZE) {
      throw invalidField('page_size', `page_size is ${pageSize}; it must be at most ${MAX_PAGE_SIZE}`)
    }
    const size = pageSize || DEFAULT_PAGE_SIZE
    const following = [...this.#owners.keys()].filter((runId) => runId > after).sort()
    const runs = await Promise.all(following.slice(0, size).map((runId) => this.get(runId).read()))
    return { runs, hasMore: following.length > size }
  }

  /** Removes a run and its record. */
  delete(runId: string): Promise<void> {
    return this.#exclusively(runId, async () => {
      this.get(runId).close(runNotFound(runId))
      this.#owners.delete(runId)
      await this.#store.remove(runId)
      this.#parts.listener.deleted(runId)
    })
  }

  async #exclusively<T>(runId: string, change: () => Promise<T>): Promise<T> {
    while (this.#changing.has(runId)) await this.#changing.get(runId)?.catch(() => undefined)
    const changing = change()
    this.#changing.set(runId, changing)
    try {
      return await changing
    } finally {
      this.#changing.delete(runId)
    }
  }

  async #add(runId: string, spec: RunSpec): Promise<Run> {
    this.#checkLimits(spec)
    const created: RunCreated = { type: 'run_created', time: this.#parts.clock(), runId, spec }
    const run = this.#allocate(created)
    const owner = new RunOwner(run, await this.#store.create(created), this.#parts)
    this.#owners.set(runId, owner)
    this.#parts.listener.created(run)
    return run
  }

  #allocate(created: RunCreated): Run {
    try {
      return new Run(created)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      const message = `sample_count ${created.spec.sampleCount} does not fit into the sampler's memory now; delete runs or give it more`
      throw new RunError('OUT_OF_MEMORY', 'spec.sample_count', message)
    }
  }

  #checkLimits({ sampleCount }: RunSpec): void {
    const { maxRuns, maxSamples } = this.#limits
    if (sampleCount > maxSamples) {
      const message = `spec.sample_count is ${sampleCount}; this sampler takes at most ${maxSamples} samples a run (--max-samples)`
      throw new RunError('TOO_MANY_SAMPLES', 'spec.sample_count', message)
    }
    if (this.#owners.size + this.#changing.size >= maxRuns) {
      const message = `this sampler holds ${this.#owners.size} runs, its limit (--max-runs); delete runs that are done`
      throw new RunError('TOO_MANY_RUNS', 'runs', message)
    }
  }

  #checkSameSpec(run: Run, spec: RunSpec): void {
    const fields = Object.keys(spec) as (keyof RunSpec)[]
    const differences = fields
      .filter((field) => !isDeepStrictEqual(spec[field], run.spec[field]))
      .map((field) => `spec.${toSnakeCase(field)} is ${show(spec[field])}, there ${show(run.spec[field])}`)
    if (differences.length === 0) return
    const message = `run "${run.runId}" exists with another spec (${differences.join('; ')}); take another run_id, or delete the run`
    throw new RunError('RUN_EXISTS', run.runId, message)
  }
}

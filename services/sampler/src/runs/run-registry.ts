import type { StaticScoreSettings } from '../core/policies/static-score.js'
import { checkSameSpec } from './check-same-spec.js'
import { ExportReader } from './export/read-export.js'
import { ImageError } from './image/image-error.js'
import { imageOf } from './image/write-image.js'
import { ImportedScores, importBytes, importSettings } from './imported-scores.js'
import { MemoryBudget, readingBytes, runBytes, sizeOf } from './memory-budget.js'
import type { RunLease, RunStore } from './ports.js'
import { RegisteredRun, type RegisteredRunParts } from './registered-run.js'
import { Run } from './run.js'
import { invalidField, RunError, runNotFound } from './run-error.js'
import type { RunCreated } from './run-event.js'
import type { RunFacts } from './run-facts.js'
import { checkRunId } from './run-id.js'
import { checkRunCount, checkSampleCount, type RunLimits } from './run-limits.js'
import type { RunOwner, RunOwnerParts } from './run-owner.js'
import { type RequestedRunSpec, type RunSpec, resolveRunSpec } from './run-spec.js'
import type { HeldSelection } from './run-state.js'
import type { StatisticsReading } from './statistics-reading.js'
import { storeRefusal } from './store-refusal.js'

/** How long nobody must have called a run before it makes room for another one. */
const SETTLED_SECONDS = 60

const MAX_PAGE_SIZE = 1000
const DEFAULT_PAGE_SIZE = 50

/** A page of runs. */
export interface RunPage {
  readonly runs: RunFacts[]
  /** Names of runs of the page whose record is damaged. */
  readonly damaged: string[]
  /** The last run_id of the page; '' for an empty one. */
  readonly last: string
  readonly hasMore: boolean
}

/** All runs of a sampler, by their run_id. Nothing is shared between runs but the memory that they take. */
export class RunRegistry {
  readonly #runs = new Map<string, RegisteredRun>()
  /** Creations and removals under way: a second call about the same name waits for the first. */
  readonly #changing = new Map<string, Promise<unknown>>()
  readonly #importing = new Set<string>()
  /** Runs that are being created or imported. */
  #adding = 0
  readonly #limits: RunLimits
  readonly #parts: RegisteredRunParts

  private constructor(store: RunStore, limits: RunLimits, owner: RunOwnerParts) {
    this.#limits = limits
    const budget = new MemoryBudget(limits.maxMemoryBytes, () => this.#unloadLongestIdle())
    const accept = (spec: RunSpec) => checkSampleCount(sizeOf(spec), limits)
    this.#parts = { store, budget, owner, accept }
  }

  /** The registry of what a store holds. Runs come into memory when they are called. */
  static async open(store: RunStore, limits: RunLimits, parts: RunOwnerParts): Promise<RunRegistry> {
    const registry = new RunRegistry(store, limits, parts)
    for (const runId of await store.list()) registry.#runs.set(runId, new RegisteredRun(runId, registry.#parts))
    return registry
  }

  /** Bytes that the runs in memory are counted with. */
  get memoryBytes(): number {
    return this.#parts.budget.used
  }

  /** Creates a run, or answers the one that has this run_id and this spec already. */
  async create(runId: string, requested: RequestedRunSpec): Promise<RunFacts> {
    checkRunId(runId)
    const spec = resolveRunSpec(requested)
    if (this.#importing.has(runId)) throw runExists(runId, true)
    return this.#exclusively(runId, async () => {
      const existing = await this.#runs.get(runId)?.read()
      if (existing) {
        checkSameSpec(runId, existing.spec, spec)
        return existing
      }
      const { store, owner } = this.#parts
      const bytes = importSettings(spec) ? importBytes(spec.sampleCount) : 0
      checkSampleCount(sizeOf(spec), this.#limits)
      checkRunCount(this.#runs.size + this.#adding, this.#limits)
      await this.#parts.budget.take(runId, bytes)
      try {
        const scores = await this.#importScores(spec)
        return await this.#add(runId, spec, async () => {
          const run = allocate({ runId, spec, time: owner.clock() }, scores)
          const lease = await store.create(runId, [{ image: imageOf(run), epochStart: 0 }])
          owner.listener.created(run)
          return { run, lease }
        })
      } finally {
        this.#parts.budget.give(bytes)
      }
    })
  }

  /** Makes a run of an export, under the name `asRunId`, or under its own where that is empty. */
  async import(asRunId: string, bytes: AsyncIterable<Uint8Array>): Promise<RunFacts> {
    if (asRunId !== '') checkRunId(asRunId)
    try {
      const reader = await ExportReader.open(bytes)
      const runId = asRunId || reader.runId
      // Who asks for the name meanwhile is refused, and need not wait for what may come slowly.
      if (this.#runs.has(runId)) throw runExists(runId)
      if (this.#changing.has(runId) || this.#importing.has(runId)) throw runExists(runId, true)
      this.#importing.add(runId)
      try {
        return await this.#add(runId, reader.spec, async () => {
          const { store, owner } = this.#parts
          const lease = await store.create(runId, reader.snapshots(runId, owner.clock()))
          owner.listener.imported(reader.run)
          return { run: reader.run, lease }
        })
      } finally {
        this.#importing.delete(runId)
      }
    } catch (error) {
      if (!(error instanceof ImageError)) throw error
      throw invalidField('chunk', `the export cannot be used: ${error.message}; export the run again`)
    }
  }

  /** The owner of a run: at once where it is in memory. Throws or rejects with RUN_NOT_FOUND, RUN_DAMAGED, OUT_OF_MEMORY, STORE_UNAVAILABLE. */
  owner(runId: string): RunOwner | Promise<RunOwner> {
    return this.#find(runId).owner()
  }

  async read(runId: string): Promise<RunFacts> {
    return this.#find(runId).read()
  }

  /** What came of its last selections, in their order. */
  async selections(runId: string): Promise<readonly HeldSelection[]> {
    return (await this.owner(runId)).selections()
  }

  /** A page of the runs after `after` ('' for the first page) in the order of their run_id. */
  async list(pageSize: number, after: string): Promise<RunPage> {
    if (pageSize > MAX_PAGE_SIZE) {
      throw invalidField('page_size', `page_size is ${pageSize}; it must be at most ${MAX_PAGE_SIZE}`)
    }
    const following = [...this.#runs.keys()].filter((runId) => runId > after).sort()
    const page = following.slice(0, pageSize || DEFAULT_PAGE_SIZE)
    const runs: RunFacts[] = []
    const damaged: string[] = []
    for (const runId of page) {
      try {
        const facts = await this.#runs.get(runId)?.readOrGlance()
        if (facts) runs.push(facts)
      } catch (error) {
        if (!(error instanceof RunError)) throw error
        if (error.reason === 'RUN_DAMAGED') damaged.push(runId)
        else if (error.reason !== 'RUN_NOT_FOUND') throw error
      }
    }
    return { runs, damaged, last: page.at(-1) ?? '', hasMore: following.length > page.length }
  }

  /** Closes a run for plans and reports; see RunOwner. */
  async finish(runId: string, generation = 0): Promise<RunFacts> {
    return (await this.owner(runId)).finish(generation)
  }

  /** Takes a run back to the start of an epoch; see RunOwner. For as long as that takes it is in memory twice. */
  async rewind(runId: string, epoch: number, generation: number): Promise<RunFacts> {
    const { spec } = await this.read(runId)
    const { budget } = this.#parts
    const bytes = runBytes(sizeOf(spec))
    await budget.take(runId, bytes)
    try {
      return await (await this.owner(runId)).rewind(epoch, generation)
    } finally {
      budget.give(bytes)
    }
  }

  /** The whole run in pieces of at most 1 MB. */
  async export(runId: string): Promise<AsyncIterable<Uint8Array>> {
    await this.read(runId)
    return this.#export(runId)
  }

  async *#export(runId: string): AsyncGenerator<Uint8Array, void, void> {
    const bytes = await this.#takeForReading(runId)
    try {
      yield* (await this.owner(runId)).export()
    } finally {
      this.#parts.budget.give(bytes)
    }
  }

  /** What is known of each sample. Release it in any case. */
  async statistics(runId: string): Promise<StatisticsReading> {
    const bytes = await this.#takeForReading(runId)
    const give = () => this.#parts.budget.give(bytes)
    try {
      return await (await this.owner(runId)).statistics(give)
    } catch (error) {
      give()
      throw error
    }
  }

  /** Removes a run and its record. */
  delete(runId: string): Promise<void> {
    return this.#exclusively(runId, async () => {
      await this.#find(runId).remove()
      this.#runs.delete(runId)
      this.#parts.owner.listener.deleted(runId)
    })
  }

  /** Takes a look at every run, one after the other, so that the log tells at the start which are damaged. None stays in memory for that. */
  async readAll(signal: AbortSignal): Promise<void> {
    for (const run of [...this.#runs.values()]) {
      if (signal.aborted) return
      await run.look().catch(() => undefined) // Told to whoever calls the run; what is damaged is logged.
    }
  }

  /** Makes runs that nobody calls leave memory, and removes finished runs whose time is over. To be called from time to time. */
  async sweep(): Promise<void> {
    const { clock, listener } = this.#parts.owner
    const { idleSeconds, finishedHours } = this.#limits
    const now = clock()
    for (const [runId, run] of [...this.#runs]) {
      const { idleSince, finishTime } = run
      try {
        if (finishedHours > 0 && finishTime !== undefined && now - finishTime > finishedHours * 3_600_000) {
          await this.delete(runId)
          listener.expired(runId)
        } else if (idleSince !== undefined && now - idleSince > idleSeconds * 1000) await run.unload()
      } catch (error) {
        listener.sweepFailed(runId, error as Error)
      }
    }
  }

  /** Ends all runs with `error`; their records stay. */
  async close(error: Error): Promise<void> {
    await Promise.allSettled([...this.#runs.values()].map((run) => run.close(error)))
    await this.#parts.store.close()
  }

  #find(runId: string): RegisteredRun {
    const run = this.#runs.get(runId)
    if (!run) throw runNotFound(runId)
    return run
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

  async #add(runId: string, spec: RunSpec, make: () => Promise<{ run: Run; lease: RunLease }>): Promise<RunFacts> {
    const { store, budget } = this.#parts
    const size = sizeOf(spec)
    checkSampleCount(size, this.#limits)
    checkRunCount(this.#runs.size + this.#adding, this.#limits)
    const inMemory = runBytes(size)
    const bytes = inMemory + store.recordBytes(size)
    this.#adding++
    let taken = 0
    try {
      // While it is rewound it is there twice.
      budget.check(runId, bytes + inMemory)
      await budget.take(runId, bytes)
      taken = bytes
      const { run, lease } = await make()
      const registered = new RegisteredRun(runId, this.#parts)
      registered.start(run, lease)
      this.#runs.set(runId, registered)
      return await registered.read()
    } catch (error) {
      budget.give(taken)
      throw storeRefusal(runId, error, this.#parts.owner.listener)
    } finally {
      this.#adding--
    }
  }

  /** What the runs that the spec names have made of each sample; undefined where it names none. Throws INVALID_FIELD. */
  async #importScores(spec: RunSpec): Promise<ImportedScores | undefined> {
    const settings = importSettings(spec)
    if (!settings) return undefined
    const scores = startImport(spec, settings)
    for (const [i, runId] of settings.scoresFrom.entries()) {
      const field = `spec.static_score.scores_from[${i}]`
      if (!this.#runs.has(runId)) throw invalidField(field, `${field} is "${runId}", but there is no such run`)
      scores.check(i, await this.read(runId))
      const reading = await this.statistics(runId)
      try {
        await scores.add(reading)
      } finally {
        reading.release()
      }
    }
    return scores
  }

  /** Takes what a reading of all statistics needs, and answers how much that is. */
  async #takeForReading(runId: string): Promise<number> {
    const { spec } = await this.read(runId)
    const bytes = readingBytes(sizeOf(spec))
    await this.#parts.budget.take(runId, bytes)
    return bytes
  }

  /** A run that was called a moment ago is in the middle of a training: it keeps its place, and who asks for room is refused. */
  async #unloadLongestIdle(): Promise<boolean> {
    const latest = this.#parts.owner.clock() - Math.min(SETTLED_SECONDS, this.#limits.idleSeconds) * 1000
    let longest: { run: RegisteredRun; since: number } | undefined
    for (const run of this.#runs.values()) {
      const since = run.idleSince
      if (since !== undefined && since <= latest && (!longest || since < longest.since)) longest = { run, since }
    }
    await longest?.run.unload()
    return longest !== undefined
  }
}

function runExists(runId: string, isComing = false): RunError {
  const is = isComing ? `a run "${runId}" is being imported` : `there is a run "${runId}" already`
  const message = `${is}; take another run_id, or delete the run`
  return new RunError('RUN_EXISTS', runId, message)
}

function allocate(created: RunCreated, scores: ImportedScores | undefined): Run {
  return orOutOfMemory(created.spec, () => scores?.start(created) ?? new Run(created))
}

function startImport(spec: RunSpec, settings: StaticScoreSettings): ImportedScores {
  return orOutOfMemory(spec, () => new ImportedScores(spec, settings))
}

function orOutOfMemory<T>({ sampleCount }: RunSpec, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const message = `sample_count ${sampleCount} does not fit into the sampler's memory now; delete runs or give it more`
    throw new RunError('OUT_OF_MEMORY', 'spec.sample_count', message)
  }
}

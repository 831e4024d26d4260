import { ByteReader } from './image/byte-reader.js'
import { readImageHeader } from './image/read-image.js'
import { loadRun } from './load-run.js'
import { type MemoryBudget, runBytes, sizeOf } from './memory-budget.js'
import type { RunLease, RunStore } from './ports.js'
import type { Run } from './run.js'
import { RunError, runNotFound } from './run-error.js'
import { factsOfHeader, type RunFacts } from './run-facts.js'
import { RunOwner, type RunOwnerParts } from './run-owner.js'
import type { RunSpec } from './run-spec.js'
import { isDamage, runDamaged, storeRefusal } from './store-refusal.js'

/** What registered runs share. */
export interface RegisteredRunParts {
  readonly store: RunStore
  readonly budget: MemoryBudget
  readonly owner: RunOwnerParts
  /** Throws where a run with so many samples is more than this sampler takes. */
  readonly accept: (spec: RunSpec) => void
}

/** A run that has a record: in memory with an owner, or out of it until it is called. */
export class RegisteredRun {
  readonly #runId: string
  readonly #parts: RegisteredRunParts
  #owner: RunOwner | undefined
  /** Taken from the budget while the run is in memory, and as long as it has a record. */
  #bytes = { run: 0, record: 0 }
  /** What the run is while it is out of memory; undefined where that is not known without reading all of its record. */
  #facts: RunFacts | undefined
  #damaged = false
  #isRemoved = false
  #loading: Promise<RunOwner> | undefined
  /** How often the owner was asked for. */
  #asked = 0
  /** How often the run came into memory. */
  #loads = 0
  #unloading: Promise<void> = Promise.resolve()

  constructor(runId: string, parts: RegisteredRunParts) {
    this.#runId = runId
    this.#parts = parts
  }

  /** Puts a run into memory that was just made. Its bytes have been taken from the budget. */
  start(run: Run, lease: RunLease): void {
    const size = sizeOf(run.spec)
    this.#bytes = {
      run: runBytes(size),
      record: this.#parts.store.recordBytes(size),
    }
    this.#owner = new RunOwner(run, lease, this.#parts.owner)
  }

  /** The owner: at once where the run is in memory, so that calls keep their order; else when it has been loaded. Throws or rejects with RUN_NOT_FOUND, RUN_DAMAGED, OUT_OF_MEMORY. */
  owner(): RunOwner | Promise<RunOwner> {
    this.#asked++
    if (this.#owner?.isOpen && !this.#isRemoved) return this.#owner
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  /** The run as it is recorded; it is loaded only where its record does not tell at a glance. */
  async read(): Promise<RunFacts> {
    if (!this.#owner && !this.#loading) {
      await this.#unloading
      const loads = this.#loads
      const glance = this.#facts ? undefined : await this.#glance()
      // It may have come into memory meanwhile, gone on, and left again.
      if (glance?.isAll && loads === this.#loads) this.#facts = glance.facts
      if (this.#facts && !this.#owner && !this.#loading && !this.#isRemoved) return this.#facts
    }
    return (await this.owner()).read()
  }

  /** Reads the run for the log's sake: where it comes into memory for that, it leaves again unless it was called meanwhile. */
  async look(): Promise<void> {
    const wasOut = !this.#owner && !this.#loading
    const asked = this.#asked
    await this.read()
    if (wasOut && this.#asked <= asked + 1) await this.unload()
  }

  /** The same as `read`, and where the run cannot come into memory now, what its last snapshot tells. */
  async readOrGlance(): Promise<RunFacts> {
    try {
      return await this.read()
    } catch (error) {
      const isFinal = !(error instanceof RunError) || ['RUN_NOT_FOUND', 'RUN_DAMAGED'].includes(error.reason)
      if (isFinal) throw error
      return this.#facts ?? (await this.#glance()).facts
    }
  }

  /** When the last call ended; undefined where the run is not in memory, or a call is under way. */
  get idleSince(): number | undefined {
    return this.#owner?.idleSince
  }

  /** When the run was finished; undefined where it is not, or that is not known. */
  get finishTime(): number | undefined {
    const facts = this.#owner?.isOpen ? this.#owner.facts : this.#owner ? undefined : this.#facts
    return facts?.isFinished ? facts.updateTime : undefined
  }

  /** Takes the run out of memory; its record stays. Does nothing while a call is under way. */
  async unload(): Promise<void> {
    const owner = this.#owner
    if (owner?.idleSince === undefined) return
    this.#facts = owner.isOpen ? owner.facts : undefined
    const message = `run "${this.#runId}" was leaving memory; try again`
    await this.#letGo(owner, new RunError('STORE_UNAVAILABLE', this.#runId, message))
    this.#parts.owner.listener.unloaded(this.#runId)
  }

  /** Ends the run with `error` and takes it out of memory, calls under way or not. */
  async close(error: Error): Promise<void> {
    this.#isRemoved = true
    this.#owner?.close(error)
    await this.#loading?.catch(() => undefined)
    if (this.#owner) await this.#letGo(this.#owner, error)
    await this.#unloading
  }

  /** Removes the run with its record. Rejects with STORE_UNAVAILABLE; the run is then there as before. */
  async remove(): Promise<void> {
    await this.close(runNotFound(this.#runId))
    try {
      await this.#parts.store.remove(this.#runId)
    } catch (error) {
      this.#isRemoved = false
      throw storeRefusal(this.#runId, error, this.#parts.owner.listener)
    }
    this.#parts.budget.give(this.#bytes.record)
  }

  #letGo(owner: RunOwner, error: Error): Promise<void> {
    this.#owner = undefined
    owner.close(error)
    const { budget, owner: parts } = this.#parts
    this.#unloading = owner
      .release()
      .catch((problem: Error) => parts.listener.releaseFailed(this.#runId, problem))
      .finally(() => {
        budget.give(this.#bytes.run)
        this.#bytes = { ...this.#bytes, run: 0 }
      })
    return this.#unloading
  }

  async #load(): Promise<RunOwner> {
    const { store, budget, owner, accept } = this.#parts
    const start = owner.clock()
    // One whose record refused an event is ahead of it.
    if (this.#owner) await this.#letGo(this.#owner, runNotFound(this.#runId))
    await this.#unloading
    this.#assertUsable()
    let taken = 0
    try {
      const loaded = await loadRun(
        store,
        this.#runId,
        async ({ spec }) => {
          accept(spec)
          const bytes = runBytes(sizeOf(spec))
          budget.check(this.#runId, bytes)
          await budget.take(this.#runId, bytes).catch(() => {
            throw notLoaded(this.#runId)
          })
          taken = bytes
        },
        (error) => owner.listener.snapshotFailed(this.#runId, error),
      )
      this.#owner = new RunOwner(loaded.run, loaded.lease, owner, loaded.unsaved)
      this.#bytes = { ...this.#bytes, run: taken }
      this.#facts = undefined
      this.#loads++
      owner.listener.loaded(loaded.run, loaded.events, Math.max(0, owner.clock() - start))
      return this.#owner
    } catch (error) {
      budget.give(taken)
      throw this.#refusal(error)
    }
  }

  /** What the record tells without being read to its end, and whether that is all: no events follow its snapshot. */
  async #glance(): Promise<{ facts: RunFacts; isAll: boolean }> {
    this.#assertUsable()
    try {
      const { image, hasEvents, epochStarts } = await this.#parts.store.glance(this.#runId)
      const reader = new ByteReader(image)
      try {
        return { facts: factsOfHeader(await readImageHeader(reader), epochStarts), isAll: !hasEvents }
      } finally {
        await reader.close()
      }
    } catch (error) {
      throw this.#refusal(error)
    }
  }

  #assertUsable(): void {
    if (this.#isRemoved) throw runNotFound(this.#runId)
    if (this.#damaged) throw runDamaged(this.#runId)
  }

  #refusal(error: unknown): unknown {
    if (error instanceof RangeError) return notLoaded(this.#runId) // An array could not be allocated.
    if (!isDamage(error)) return storeRefusal(this.#runId, error, this.#parts.owner.listener)
    this.#damaged = true
    this.#parts.owner.listener.damaged(this.#runId, error)
    return runDamaged(this.#runId)
  }
}

function notLoaded(runId: string): RunError {
  const message = `run "${runId}" is out of memory, and other runs that are being called take what there is (--max-memory-bytes); try again`
  return new RunError('RUN_NOT_LOADED', runId, message)
}

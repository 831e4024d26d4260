import type { RunJournal, RunStore } from '../../runs/ports.js'
import type { RunCreated } from '../../runs/run-event.js'

/**
 * Keeps no record but the names of its runs: the state in the sampler's memory is the only copy, and is gone with the process.
 * Events are not kept, since nothing could ever read them back.
 */
export class MemoryStore implements RunStore {
  readonly durability = 'memory: runs end with the process'
  readonly #runIds = new Set<string>()

  async create(event: RunCreated): Promise<RunJournal> {
    if (this.#runIds.has(event.runId)) throw new Error(`run "${event.runId}" has a record already`)
    this.#runIds.add(event.runId)
    return { append: async () => {} }
  }

  async remove(runId: string): Promise<void> {
    this.#runIds.delete(runId)
  }
}

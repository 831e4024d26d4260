import type { RunLease, Snapshot } from '../../runs/ports.js'
import type { RunEvent } from '../../runs/run-event.js'
import { StoreError } from '../../runs/store-error.js'
import type { MemoryRecord } from './memory-record.js'
import { SavedImage } from './saved-image.js'

/** What is in memory is as durable as it will be. */
const DURABLE = Promise.resolve()

/** Writes a record until another lease holds it, or none does. */
export class MemoryLease implements RunLease {
  readonly fence: number
  readonly #runId: string
  readonly #record: MemoryRecord
  /** Events of the run that the holder knows: read or appended. */
  #position: number

  /** Takes the record from whoever holds it; `position`: that of the image which the holder begins with. */
  constructor(runId: string, record: MemoryRecord, fence: number, position: number) {
    this.fence = fence
    this.#runId = runId
    this.#record = record
    this.#position = position
    record.holder = this
  }

  get epochStarts(): readonly number[] {
    return this.#record.epochStarts.map(({ epochStart }) => epochStart as number)
  }

  append(event: RunEvent): Promise<void> {
    try {
      this.#checkHeld()
      this.#checkRead()
    } catch (error) {
      return Promise.reject(error)
    }
    this.#record.append(event)
    this.#position++
    return DURABLE
  }

  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    this.#checkHeld()
    const saved = await SavedImage.read(snapshot, this.#position, this.#record.takeSpare())
    this.#checkHeld()
    this.#record.save(saved)
  }

  async *readEpochStart(epoch: number): AsyncGenerator<Uint8Array> {
    const saved = this.#record.epochStarts.find(({ epochStart }) => epochStart === epoch)
    if (saved) return yield* saved.stream()
    const kept = this.epochStarts.join(', ') || 'none'
    throw new StoreError(
      'NOT_FOUND',
      this.#runId,
      `no start of epoch ${epoch} is kept of run "${this.#runId}"; kept: ${kept}`,
    )
  }

  /** The events that the holder does not know. One is known when the next is asked for. */
  async *readEvents(): AsyncGenerator<RunEvent> {
    for (;;) {
      this.#checkHeld()
      const event = this.#record.eventAt(this.#position)
      if (!event) return
      yield event
      this.#position++
    }
  }

  async release(): Promise<void> {
    if (this.#record.holder !== this) return
    this.#record.holder = undefined
    this.#record.takeSpare() // No image comes for a while: the memory is for others.
  }

  #checkRead(): void {
    const unread = this.#record.end - this.#position
    if (unread > 0)
      throw new Error(`an event for run "${this.#runId}" while ${unread} of its record are to be read first`)
  }

  #checkHeld(): void {
    if (this.#record.holder === this) return
    throw new StoreError(
      'FENCED',
      this.#runId,
      `lease ${this.fence} of run "${this.#runId}" was given back, or taken over by a newer one`,
    )
  }
}

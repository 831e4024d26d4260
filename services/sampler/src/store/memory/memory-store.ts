import type { OpenedRecord, RecordGlance, RunLease, RunSize, RunStore, Snapshot } from '../../runs/ports.js'
import { StoreError } from '../../runs/store-error.js'
import { MemoryLease } from './memory-lease.js'
import { MemoryRecord } from './memory-record.js'
import { SavedImage } from './saved-image.js'

export interface MemoryStoreSettings {
  /** Epoch starts kept of each run. */
  readonly epochStarts: number
}

/** Bytes of a sample in an image; of an observation in a report; of a further column in either; of a weight. */
const IMAGE_BYTES = 16.2
const OBSERVATION_BYTES = 8
const COLUMN_BYTES = 4
const WEIGHT_BYTES = 4

/** Of an image: what it has of the selections, most of all. */
const HEADER_BYTES = 0x20000

/** Keeps the records in the memory of the process: they are gone with it, but a run can leave the registry and come back. */
export class MemoryStore implements RunStore {
  readonly durability = 'memory: runs end with the process'
  readonly #epochStarts: number
  readonly #records = new Map<string, MemoryRecord>()
  /** Runs whose first snapshots are being read. */
  readonly #coming = new Set<string>()
  /** Of all runs together, so that a run that was removed and made again goes on rising. */
  #lastFence = 0

  constructor({ epochStarts }: MemoryStoreSettings) {
    this.#epochStarts = epochStarts
  }

  /**
   * The images that are kept and the one being saved, whose memory stays for the next, and the reports of an epoch in which every sample is observed once. Besides these there are
   * about 300 bytes for each report.
   */
  recordBytes({ sampleCount, columnCount, hasWeights }: RunSize): number {
    const images = Math.max(1, this.#epochStarts) + 1
    const columnBytes = columnCount * COLUMN_BYTES
    const weightBytes = hasWeights ? WEIGHT_BYTES : 0
    const imageBytes = IMAGE_BYTES + columnBytes + weightBytes
    const bytes = sampleCount * (images * imageBytes + OBSERVATION_BYTES + columnBytes + weightBytes)
    return images * HEADER_BYTES + Math.ceil(bytes)
  }

  async list(): Promise<string[]> {
    return [...this.#records.keys()]
  }

  async create(runId: string, snapshots: AsyncIterable<Snapshot> | Iterable<Snapshot>): Promise<RunLease> {
    if (this.#records.has(runId) || this.#coming.has(runId)) {
      throw new StoreError('EXISTS', runId, `run "${runId}" has a record already`)
    }
    this.#coming.add(runId)
    try {
      const record = new MemoryRecord(this.#epochStarts)
      for await (const snapshot of snapshots) record.save(await SavedImage.read(snapshot, 0))
      if (!record.newest) throw new Error(`run "${runId}" came without a snapshot: a record starts with one`)
      this.#records.set(runId, record)
      return new MemoryLease(runId, record, ++this.#lastFence, 0)
    } finally {
      this.#coming.delete(runId)
    }
  }

  async open(runId: string): Promise<OpenedRecord> {
    const record = this.#find(runId)
    const newest = record.newest as SavedImage
    const lease = new MemoryLease(runId, record, ++this.#lastFence, newest.position)
    return { lease, image: newest.stream(), events: lease.readEvents() }
  }

  async glance(runId: string): Promise<RecordGlance> {
    const record = this.#find(runId)
    const newest = record.newest as SavedImage
    const epochStarts = record.epochStarts.map(({ epochStart }) => epochStart as number)
    return { image: newest.stream(), hasEvents: record.end > newest.position, epochStarts }
  }

  async remove(runId: string): Promise<void> {
    this.#find(runId).holder = undefined
    this.#records.delete(runId)
  }

  async close(): Promise<void> {
    for (const record of this.#records.values()) record.holder = undefined
    this.#records.clear()
  }

  #find(runId: string): MemoryRecord {
    const record = this.#records.get(runId)
    if (!record) throw new StoreError('NOT_FOUND', runId, `run "${runId}" has no record`)
    return record
  }
}

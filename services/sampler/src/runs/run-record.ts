import { paced } from './image/paced.js'
import { writeImage } from './image/write-image.js'
import type { RunLease } from './ports.js'
import type { Run } from './run.js'
import type { RunEvent } from './run-event.js'
import type { RunListener } from './run-listener.js'

/** How much of a record is events before a snapshot is due in mid-epoch: an ordinary epoch never gets there. */
const journalLimit = (sampleCount: number) => 4 * sampleCount + 100_000

/** What an event adds to a record, for `journalLimit`. */
export const weightOf = (event: RunEvent) => 1 + (event.type === 'losses_reported' ? event.indices.length : 0)

/** The record of a run that is in memory: what of it is on its way to the store, and when it has arrived. */
export class RunRecord {
  readonly #lease: RunLease
  readonly #listener: RunListener
  #saved: Promise<void> = Promise.resolve()
  #isSaving = false
  /** Weight of the events since the last snapshot. */
  #unsaved: number
  /** Weight of events at which a snapshot is due in mid-epoch. */
  #limit: number

  /** `unsaved`: weight of the events that follow the newest snapshot. */
  constructor(lease: RunLease, { spec }: Run, listener: RunListener, unsaved: number) {
    this.#lease = lease
    this.#listener = listener
    this.#unsaved = unsaved
    this.#limit = journalLimit(spec.sampleCount)
  }

  /** Epochs whose start is kept, ascending. */
  get epochStarts(): readonly number[] {
    return this.#lease.epochStarts
  }

  /** The last snapshot's way to the store. Never rejects. */
  get saved(): Promise<void> {
    return this.#saved
  }

  get isSaving(): boolean {
    return this.#isSaving
  }

  /** Whether there are events that no snapshot covers. */
  get hasUnsaved(): boolean {
    return this.#unsaved > 0
  }

  /** Whether these are so many that a snapshot is due in mid-epoch. */
  get isSnapshotDue(): boolean {
    return this.#unsaved > this.#limit && !this.#isSaving
  }

  /** Takes the next event; see RunLease. */
  append(event: RunEvent): Promise<void> {
    this.#unsaved += weightOf(event)
    return this.#lease.append(event)
  }

  /** Begins to save the run as it is now; calls go on meanwhile. Not while another snapshot is being saved. */
  saveSnapshot(run: Run, epochStart?: number): void {
    const covered = this.#unsaved
    this.#unsaved = 0
    this.#isSaving = true
    this.#saved = this.#save(run, epochStart)
      .then(() => {
        this.#limit = journalLimit(run.spec.sampleCount)
      })
      .catch((error: Error) => {
        this.#unsaved += covered
        // Not again with every report while the disk is full.
        this.#limit = this.#unsaved + journalLimit(run.spec.sampleCount)
        this.#listener.snapshotFailed(run.runId, error)
      })
      .finally(() => {
        this.#isSaving = false
      })
  }

  /** Makes the start of an epoch, in another life of the run, what the record goes on from. Rejects where that could not be written; then nothing has changed. */
  async rewind(rewound: Run, epoch: number): Promise<void> {
    await this.#save(rewound, epoch)
    this.#unsaved = 0
  }

  /** The image that was saved as the start of an epoch; see RunLease. */
  readEpochStart(epoch: number): AsyncIterable<Uint8Array> {
    return this.#lease.readEpochStart(epoch)
  }

  /** Gives the lease back when what is on its way has arrived. */
  async release(): Promise<void> {
    await this.#saved
    await this.#lease.release()
  }

  async #save(run: Run, epochStart: number | undefined): Promise<void> {
    const capture = run.capture()
    const image = paced(writeImage(capture))
    try {
      await this.#lease.saveSnapshot(epochStart === undefined ? { image } : { image, epochStart })
    } finally {
      capture.statistics.release()
    }
  }
}

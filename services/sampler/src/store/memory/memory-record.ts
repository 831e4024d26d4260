import type { RunEvent } from '../../runs/run-event.js'
import { keptEpochStarts, obsoleteSnapshots } from '../obsolete-snapshots.js'
import type { SavedImage } from './saved-image.js'
import { SparePieces } from './spare-pieces.js'
import { withOwnArrays } from './with-own-arrays.js'

/** The record of one run: its snapshots, and the events after the newest. */
export class MemoryRecord {
  /** The only lease that can write. */
  holder: object | undefined
  readonly #epochStarts: number
  /** In the order in which they were saved. */
  #snapshots: readonly SavedImage[] = []
  /** Events of the run that are kept no more: a snapshot covers them. */
  #dropped = 0
  #events: RunEvent[] = []
  /** Of one image at most. */
  #spare = new SparePieces()

  /** `epochStarts`: how many of them are kept. */
  constructor(epochStarts: number) {
    this.#epochStarts = epochStarts
  }

  /** Events of the run so far. */
  get end(): number {
    return this.#dropped + this.#events.length
  }

  get newest(): SavedImage | undefined {
    return this.#snapshots.at(-1)
  }

  /** Ascending. */
  get epochStarts(): SavedImage[] {
    return keptEpochStarts(this.#snapshots, this.#epochStarts)
  }

  /** The event with so many before it: none before the newest snapshot, none at the end. */
  eventAt(position: number): RunEvent | undefined {
    return this.#events[position - this.#dropped]
  }

  append(event: RunEvent): void {
    this.#events.push(withOwnArrays(event))
  }

  save(image: SavedImage): void {
    const saved = [...this.#snapshots, image]
    const obsolete = new Set(obsoleteSnapshots(saved, this.#epochStarts))
    this.#snapshots = saved.filter((snapshot) => !obsolete.has(snapshot))
    for (const snapshot of obsolete) this.#spare = new SparePieces(snapshot.giveUp())
    this.#events = this.#events.slice(image.position - this.#dropped)
    this.#dropped = image.position
  }

  /** What memory there is for the next image. It is the caller's from then on. */
  takeSpare(): SparePieces {
    const spare = this.#spare
    this.#spare = new SparePieces()
    return spare
  }
}

import { expect } from 'vitest'
import { type ModelSnapshot, modelEpochStarts, stillKept } from './model-epoch-starts.js'

/** What is found of a run's record; undefined where there is none. */
export interface Finding {
  /** What the run has become, told by its image and the events after it. */
  readonly state: string
  /** The images of the epoch starts, by their epochs. */
  readonly epochStarts: ReadonlyMap<number, string>
}

/** A snapshot that changed nothing, or that came with a new state: a first one, or a rewind. */
interface LedgerSnapshot extends ModelSnapshot {
  /** Place of the state that it is of. */
  readonly place: number
  readonly isOwnState: boolean
  isAcknowledged: boolean
}

/** What the store may say. */
interface Answer {
  acknowledge(): void
  refuse(): void
}

/** All states that a run was to take on, one after the other, and how far they were acknowledged. No record is a state, too. */
export class RunLedger {
  readonly #kept: number
  #states: (string | undefined)[]
  #acknowledged: number
  #snapshots: LedgerSnapshot[]

  /** `kept`: epoch starts that the store keeps. */
  constructor(kept: number) {
    this.#kept = kept
    this.#states = [undefined]
    this.#acknowledged = 0
    this.#snapshots = []
  }

  /** A ledger that goes on from here by itself. */
  fork(): RunLedger {
    const fork = new RunLedger(this.#kept)
    fork.#states = [...this.#states]
    fork.#acknowledged = this.#acknowledged
    fork.#snapshots = this.#snapshots.map((snapshot) => ({ ...snapshot }))
    return fork
  }

  /** The state that the run is in when all that was asked for is done; undefined where there is to be no record. */
  get state(): string | undefined {
    return this.#states.at(-1)
  }

  /** Begins a change of the state, and answers whom to tell what the store said. What it refused must not come up again, nor what was to come after it. */
  advance(state: string | undefined, snapshots: readonly ModelSnapshot[] = []): Answer {
    const place = this.#states.push(state) - 1
    const made = snapshots.map((snapshot) => ({ ...snapshot, place, isOwnState: true, isAcknowledged: false }))
    this.#snapshots.push(...made)
    return {
      acknowledge: () => {
        this.#acknowledged = Math.max(this.#acknowledged, place)
      },
      refuse: () => {
        expect(this.#acknowledged).toBeLessThan(place)
        this.#states.splice(place)
        this.#snapshots = this.#snapshots.filter((each) => each.place < place)
      },
    }
  }

  /** Begins a snapshot of the present state. */
  save(epochStart: number | undefined): Answer {
    const text = this.state as string
    const place = this.#states.length - 1
    const snapshot = { text, epochStart, place, isOwnState: false, isAcknowledged: false }
    this.#snapshots.push(snapshot)
    return {
      acknowledge: () => {
        snapshot.isAcknowledged = true
        this.#acknowledged = Math.max(this.#acknowledged, place)
      },
      refuse: () => {
        this.#snapshots = this.#snapshots.filter((each) => each !== snapshot)
      },
    }
  }

  /** Expects what is found to be a state that was acknowledged, or one that was to come after it; the run goes on from there. */
  check(finding: Finding | undefined): void {
    const place = this.#states.lastIndexOf(finding?.state)
    expect({ found: finding?.state, isKnown: place >= 0 }).toEqual({ found: finding?.state, isKnown: true })
    expect({ found: finding?.state, place }).toSatisfy(
      () => place >= this.#acknowledged,
      `nothing older than "${this.#states[this.#acknowledged]}"`,
    )
    this.#states.length = place + 1
    this.#acknowledged = place
    const start = this.#states.lastIndexOf(undefined)
    const possible = this.#snapshots.filter((each) => each.place <= place && each.place > start)
    const certain = possible.filter(({ isOwnState, isAcknowledged }) => isOwnState || isAcknowledged)
    const found = [...(finding?.epochStarts ?? [])]
    this.#snapshots = this.#areStarts(found, certain) ? certain : possible
    expect({ found, possible, areThere: this.#areStarts(found, this.#snapshots) }).toMatchObject({ areThere: true })
    for (const snapshot of this.#snapshots) snapshot.isAcknowledged = true
  }

  /**
   * Whether these are the epoch starts that are kept of the snapshots. A file that could not be removed may be there again: when one goes back to an epoch,
   * a start from before that.
   */
  #areStarts(found: readonly (readonly [number, string])[], snapshots: readonly LedgerSnapshot[]): boolean {
    const least = stillKept(snapshots, this.#kept)
    const most = modelEpochStarts(snapshots, Number.POSITIVE_INFINITY)
    const isLeastThere = [...least].every(([epoch, text]) =>
      found.some((each) => each[0] === epoch && each[1] === text),
    )
    return isLeastThere && found.length <= this.#kept && found.every(([epoch, text]) => most.get(epoch) === text)
  }
}

import type { RunStore } from '../../services/sampler/src/runs/ports.js'

/** A store that a test has for itself. */
export interface StoreInUse {
  readonly store: RunStore
  /** The records as the next process finds them, after this one closed the store or died. Not there where records end with the process. */
  restart?(end: 'close' | 'crash'): Promise<StoreInUse>
  /** Lets go of everything that the store, and those that it came from, hold. */
  dispose(): Promise<void>
}

/** A kind of store. */
export interface StoreKind {
  readonly name: string
  /** Random sequences to try: as many as take a few seconds; from 100 on they have to show some variety. */
  readonly sequences: number
  /** A store without records. `delay`, where it is given: how long everything takes that the store waits for, if it waits for anything. */
  start(epochStarts: number, delay?: () => Promise<unknown>): Promise<StoreInUse>
}

/** Runs a test on a store that keeps 3 epoch starts, or as many as are said. */
export async function withStore(
  kind: StoreKind,
  test: (inUse: StoreInUse) => Promise<void>,
  epochStarts = 3,
  delay?: () => Promise<unknown>,
): Promise<void> {
  const inUse = await kind.start(epochStarts, delay)
  try {
    await test(inUse)
  } finally {
    await inUse.dispose()
  }
}

import { expect } from 'vitest'
import type { RunLease, RunStore, Snapshot } from '../../services/sampler/src/runs/ports.js'
import type { RunEvent } from '../../services/sampler/src/runs/run-event.js'
import type { FaultyDisk } from '../support/faulty-disk.js'
import { brokenImage, finished, planned, reported, snapshot, textOf } from './record-parts.js'
import { type Finding, RunLedger } from './run-ledger.js'

/** Opens a store on a disk; `onFatal` as that of FileStore. */
export type OpenStore = (disk: FaultyDisk, onFatal: (error: Error) => void) => Promise<RunStore>

const RUN_IDS = ['run', 'other'] as const
type RunId = (typeof RUN_IDS)[number]
type Ledgers = Record<RunId, RunLedger>

/** Epoch starts that the store keeps. */
export const KEPT_STARTS = 2

export const newLedgers = (): Ledgers => ({ run: new RunLedger(KEPT_STARTS), other: new RunLedger(KEPT_STARTS) })

/** A run's state is the list of its facts: an event is one, a rewind is one. */
const factOf = (event: RunEvent) =>
  event.type === 'losses_reported' ? `r${event.sequence}` : event.type === 'epoch_planned' ? `p${event.epoch}` : 'end'

/**
 * What a sampler does with two runs, and in ledgers what the store answered. Where the store refuses, the life goes on as a sampler does: the run is opened
 * again from its record, and what is found there is held against the ledger.
 */
export class ScriptedLife {
  readonly ledgers: Ledgers
  readonly #disk: FaultyDisk
  readonly #openStore: OpenStore
  readonly #takesBack: boolean
  readonly #leases = new Map<RunId, RunLease>()
  #store: RunStore | undefined
  #serial = 0
  /** Steps of the disk when the store said that it cannot go on, or did not start. */
  fatalAt: number | undefined
  /** Calls that the store refused. */
  refusals = 0

  /** `takesBack`: the disk lets the store take back what it wrote of events that it refuses. */
  constructor(disk: FaultyDisk, openStore: OpenStore, ledgers = newLedgers(), takesBack = false) {
    this.#takesBack = takesBack
    this.#disk = disk
    this.#openStore = openStore
    this.ledgers = ledgers
  }

  /** All of it, as far as the store goes along. */
  async live(): Promise<void> {
    await this.#try(() => this.#create('run', [0]))
    await this.#append('run', 'planned')
    await this.#append('run', 'reported', 'reported', 'reported')
    await this.#append('run', 'reported')
    await this.#startEpoch('run', 1)
    await this.#try(() => this.#create('other', [4, 5, undefined]))
    await this.#append('other', 'reported', 'reported')
    await this.#startEpoch('run', 2)
    await this.#append('run', 'reported', 'reported')
    await this.#saveBroken('run')
    await this.#startEpoch('run', 3)
    await this.#rewind('run', 2)
    await this.#append('run', 'planned')
    await this.#append('run', 'reported', 'reported')
    await this.#save('run')
    await this.#append('run', 'reported')
    await this.#saveAmidEvents('run')
    await this.#reopen('run')
    await this.#append('run', 'reported', 'reported')
    await this.#try(() => this.#remove('other'))
    await this.#try(() => this.#create('other', [0]))
    await this.#append('other', 'reported')
    await this.#append('run', 'finished')
    await this.#save('run')
  }

  /** Opens every record, as far as there is one, and holds it against its ledger. */
  async checkAll(): Promise<void> {
    await this.#withStore()
    for (const runId of RUN_IDS) await this.#recover(runId)
    const expected = RUN_IDS.filter((runId) => this.ledgers[runId].state !== undefined)
    expect((await this.#store?.list())?.sort()).toEqual(expected.toSorted())
  }

  /** Appends to every record, which is made where there is none. */
  async appendToAll(): Promise<void> {
    for (const runId of RUN_IDS) {
      if (this.ledgers[runId].state === undefined) await this.#create(runId, [0])
      const lease = this.#leases.get(runId) as RunLease
      const event = this.#event('reported')
      const { acknowledge } = this.ledgers[runId].advance(`${this.ledgers[runId].state} ${factOf(event)}`)
      await lease.append(event)
      acknowledge()
    }
  }

  /** Those that the store says it keeps. */
  epochStarts(runId: RunId): readonly number[] {
    return this.#leases.get(runId)?.epochStarts ?? []
  }

  async close(): Promise<void> {
    await this.#store?.close()
    this.#store = undefined
    this.#leases.clear()
  }

  /** Ledgers that go on by themselves, for one of several ways in which this life may go on. */
  forkLedgers(): Ledgers {
    return { run: this.ledgers.run.fork(), other: this.ledgers.other.fork() }
  }

  async #withStore(): Promise<RunStore> {
    const end = () => {
      expect(this.fatalAt).toBe(undefined)
      this.fatalAt = this.#disk.steps.length
    }
    this.#store ??= await this.#openStore(this.#disk, end).catch((error: unknown) => {
      if (this.fatalAt === undefined) end()
      throw error
    })
    return this.#store
  }

  /** Does one thing; what the store refuses for now is left. */
  async #try(act: () => Promise<void>): Promise<void> {
    if (this.fatalAt !== undefined) return
    try {
      await act()
    } catch (error) {
      const isExpected = isRefusal(error) || (this.#store === undefined && !isAssertion(error))
      if (!isExpected) throw error
      this.refusals++
    }
  }

  /** Does something with the lease of a run. */
  #withLease(runId: RunId, act: (lease: RunLease, ledger: RunLedger) => Promise<void>): Promise<void> {
    return this.#try(async () => {
      const lease = this.#leases.get(runId) ?? (await this.#recover(runId))
      if (!lease) return
      await act(lease, this.ledgers[runId]).catch((error: unknown) => {
        this.#leases.delete(runId)
        throw error
      })
    })
  }

  /** Opens a record and reads it. */
  async #recover(runId: RunId): Promise<RunLease | undefined> {
    this.#leases.delete(runId)
    const store = await this.#withStore()
    const opened = await store.open(runId).catch((error: { reason?: string }) => {
      if (error.reason === 'NOT_FOUND') return undefined
      throw error
    })
    this.ledgers[runId].check(opened && (await this.#read(opened)))
    if (opened) this.#leases.set(runId, opened.lease)
    return opened?.lease
  }

  async #read({ lease, image, events }: Awaited<ReturnType<RunStore['open']>>): Promise<Finding> {
    const facts = [await textOf(image)]
    for await (const event of events) facts.push(factOf(event))
    const epochStarts = new Map<number, string>()
    for (const epoch of lease.epochStarts) epochStarts.set(epoch, await textOf(lease.readEpochStart(epoch)))
    return { state: facts.join(' '), epochStarts }
  }

  #event(type: 'planned' | 'reported' | 'finished'): RunEvent {
    const serial = ++this.#serial
    if (type === 'finished') return finished
    if (type === 'planned') return planned(serial, [serial, serial + 9])
    return reported(1, serial, Array(serial % 5).fill(serial / 2))
  }

  async #create(runId: RunId, epochs: readonly (number | undefined)[]): Promise<void> {
    const store = await this.#withStore()
    const ledger = this.ledgers[runId]
    const saved = epochs.map((epochStart) => ({ text: `${runId}${++this.#serial}`, epochStart }))
    const created = ledger.advance(saved.at(-1)?.text, saved)
    const snapshots: Snapshot[] = saved.map(({ text, epochStart }) => snapshot(text, epochStart))
    this.#leases.set(runId, await store.create(runId, snapshots))
    created.acknowledge()
  }

  #append(runId: RunId, ...types: ('planned' | 'reported' | 'finished')[]): Promise<void> {
    return this.#withLease(runId, async (lease, ledger) => {
      const appended = types.map((type) => {
        const event = this.#event(type)
        const { acknowledge, refuse } = ledger.advance(`${ledger.state} ${factOf(event)}`)
        return lease.append(event).then(acknowledge, (error: unknown) => {
          if (this.#takesBack && this.fatalAt === undefined) refuse()
          throw error
        })
      })
      await allOf(appended)
    })
  }

  /** A snapshot of the start of an epoch, and beside it the events that the epoch begins with. */
  #startEpoch(runId: RunId, epoch: number): Promise<void> {
    return this.#withLease(runId, async () => {
      await Promise.all([this.#save(runId, epoch), this.#append(runId, 'planned'), this.#append(runId, 'reported')])
    })
  }

  /** A snapshot that covers events which are on their way still, and more of them after it. */
  #saveAmidEvents(runId: RunId): Promise<void> {
    return this.#withLease(runId, async () => {
      await Promise.all([
        this.#append(runId, 'reported', 'reported'),
        this.#save(runId),
        this.#append(runId, 'reported'),
      ])
    })
  }

  #save(runId: RunId, epochStart?: number): Promise<void> {
    return this.#withLease(runId, async (lease, ledger) => {
      const { acknowledge, refuse } = ledger.save(epochStart)
      await lease.saveSnapshot(snapshot(ledger.state as string, epochStart)).then(acknowledge, (error: unknown) => {
        // The lease goes on. Only where the store cannot is it open what became of the snapshot.
        if (!isRefusal(error)) throw error
        this.refusals++
        if (this.fatalAt === undefined) refuse()
      })
    })
  }

  #saveBroken(runId: RunId): Promise<void> {
    return this.#withLease(runId, async (lease) => {
      const error = await lease
        .saveSnapshot({ image: brokenImage(), epochStart: 9 })
        .catch((refusal: unknown) => refusal)
      if (!isRefusal(error)) expect(error).toMatchObject({ message: 'the image broke' })
    })
  }

  #rewind(runId: RunId, epoch: number): Promise<void> {
    return this.#withLease(runId, async (lease, ledger) => {
      // Not there where one of the epochs before could not be saved.
      if (!lease.epochStarts.includes(epoch)) return
      const text = `${await textOf(lease.readEpochStart(epoch))} rewound${++this.#serial}`
      const { acknowledge, refuse } = ledger.advance(text, [{ text, epochStart: epoch }])
      await lease.saveSnapshot(snapshot(text, epoch)).then(acknowledge, (error: unknown) => {
        if (!isRefusal(error)) throw error
        this.refusals++
        if (this.fatalAt === undefined) refuse()
      })
    })
  }

  #reopen(runId: RunId): Promise<void> {
    return this.#withLease(runId, async (lease) => {
      await lease.release()
      await this.#recover(runId)
    })
  }

  async #remove(runId: RunId): Promise<void> {
    const store = await this.#withStore()
    this.#leases.delete(runId)
    const ledger = this.ledgers[runId]
    if (ledger.state === undefined) return
    const { acknowledge } = ledger.advance(undefined)
    await store.remove(runId)
    acknowledge()
  }
}

/** Waits for all, and rejects as the first that does. */
async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(promises)
  await Promise.all(promises)
}

/** What a store answers that cannot for now. */
function isRefusal(error: unknown): boolean {
  const { name, reason } = error as { name?: string; reason?: string }
  return name === 'StoreError' && (reason === 'UNAVAILABLE' || reason === 'FENCED' || reason === 'EXISTS')
}

const isAssertion = (error: unknown) => (error as Error).name === 'AssertionError'

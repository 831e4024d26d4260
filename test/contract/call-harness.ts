import { expect } from 'vitest'
import type { RunLease, RunStore, Snapshot } from '../../services/sampler/src/runs/ports.js'
import type { RunEvent } from '../../services/sampler/src/runs/run-event.js'
import { type ModelSnapshot, modelEpochStarts } from './model-epoch-starts.js'
import type { Call } from './random-calls.js'
import {
  brokenImage,
  finished,
  planned,
  readRecord,
  refused,
  reported,
  show,
  snapshot,
  textOf,
} from './record-parts.js'
import type { StoreInUse } from './store-kind.js'

/** What a record has to hold. */
class ModelRecord {
  readonly #kept: number
  /** Those that are needed, in the order in which they were saved. */
  #saved: ModelSnapshot[] = []
  /** After the newest snapshot. */
  events: string[] = []
  lease: RunLease | undefined
  readonly staleLeases: RunLease[] = []

  constructor(kept: number) {
    this.#kept = kept
  }

  get image(): string | undefined {
    return this.#saved.at(-1)?.text
  }

  get epochStarts(): Map<number, string> {
    return modelEpochStarts(this.#saved, this.#kept)
  }

  save(text: string, epochStart: number | undefined, covered: number): void {
    this.#saved.push({ text, epochStart })
    this.events = this.events.slice(covered)
    const starts = this.epochStarts
    this.#saved = this.#saved.filter(
      (each, place) => place === this.#saved.length - 1 || starts.get(each.epochStart ?? -1) === each.text,
    )
  }

  /** A lease that was given out can write no more. */
  retire(): void {
    if (this.lease) this.staleLeases.push(this.lease)
    this.lease = undefined
  }
}

/** Makes calls at a store, and holds their answers against a model. */
export class CallHarness {
  #inUse: StoreInUse
  readonly #kept: number
  readonly #made: Map<string, number>
  readonly #records = new Map<string, ModelRecord>()
  /** Leases of records that were removed. */
  readonly #orphans: RunLease[] = []
  #serial = 0
  #highestFence = new Map<string, number>()

  /** `kept`: epoch starts kept of each run; `made`: counts the calls that did something. */
  constructor(inUse: StoreInUse, kept: number, made: Map<string, number>) {
    this.#inUse = inUse
    this.#kept = kept
    this.#made = made
  }

  get #store(): RunStore {
    return this.#inUse.store
  }

  async make(call: Call): Promise<void> {
    if (call.call === 'list') return this.#list()
    if (call.call === 'restart') return this.#restart(call.end)
    const record = this.#records.get(call.runId)
    if (call.call === 'create') return this.#create(call, record)
    if (!record) return this.#expectNothing(call)
    switch (call.call) {
      case 'append':
        return this.#append(call, record)
      case 'save':
        return this.#save(call, record)
      case 'open':
        return this.#open(call, record)
      case 'release':
        return this.#release(record)
      case 'writeStale':
        return this.#writeStale(record)
      case 'remove':
        return this.#remove(call.runId, record)
      case 'glance':
        return this.#glance(call.runId, record)
      case 'readEpochStarts':
        return this.#readEpochStarts(record)
    }
  }

  /** Everything is there, also for the next process. */
  async end(): Promise<void> {
    for (const end of ['crash', 'close'] as const) {
      for (const [runId, record] of this.#records) {
        await this.#open({ call: 'open', runId, saveAt: undefined, epochStep: undefined }, record)
        await this.#readEpochStarts(record)
      }
      await this.#list()
      await this.#restart(end)
    }
  }

  #count(name: string): void {
    this.#made.set(name, (this.#made.get(name) ?? 0) + 1)
  }

  /** Texts are told apart by a number. */
  #text(text: string): string {
    return `${++this.#serial}: ${text}`
  }

  #event(type: 'planned' | 'reported' | 'finished' = 'reported'): RunEvent {
    const serial = ++this.#serial
    if (type === 'finished') return finished
    if (type === 'planned') return planned(serial, serial % 2 ? [serial, serial + 3] : undefined)
    return reported(serial % 5, serial, [serial / 3, serial % 7 ? 0.25 : Number.NaN])
  }

  #epoch(record: ModelRecord, step: number | undefined): number | undefined {
    if (step === undefined) return undefined
    return Math.max(0, Math.max(-1, ...record.epochStarts.keys()) + 1 + step)
  }

  async #create({ runId, snapshots, breaks }: Extract<Call, { call: 'create' }>, existing: ModelRecord | undefined) {
    const record = new ModelRecord(this.#kept)
    const made: Snapshot[] = snapshots.map(({ epochStep, text }) => {
      const image = this.#text(text)
      const epochStart = this.#epoch(record, epochStep)
      record.save(image, epochStart, 0)
      return snapshot(image, epochStart)
    })
    if (existing) return refused(this.#store.create(runId, made), 'EXISTS')
    if (breaks) {
      return expect(this.#store.create(runId, [...made, { image: brokenImage() }])).rejects.toThrow('the image broke')
    }
    record.lease = await this.#store.create(runId, made)
    this.#records.set(runId, record)
    this.#checkLease(runId, record)
    this.#count('create')
  }

  async #append({ events, runId }: Extract<Call, { call: 'append' }>, record: ModelRecord): Promise<void> {
    if (!record.lease) return this.#open({ call: 'open', runId, saveAt: undefined, epochStep: undefined }, record)
    const made = events.map((type) => this.#event(type as 'planned'))
    record.events.push(...made.map(show))
    await Promise.all(made.map((event) => record.lease?.append(event)))
    this.#count('append')
  }

  async #save(call: Extract<Call, { call: 'save' }>, record: ModelRecord): Promise<void> {
    const { lease } = record
    if (!lease) return
    const text = this.#text(call.text)
    const epochStart = this.#epoch(record, call.epochStep)
    const covered = record.events.length
    const appended: Promise<void>[] = []
    const appendBeside = () => {
      if (appended.length >= call.beside) return
      const event = this.#event()
      record.events.push(show(event))
      appended.push(lease.append(event))
    }
    const { image } = snapshot(text, epochStart, call.pieceLength)
    async function* slowly() {
      for await (const piece of image) {
        yield piece
        appendBeside()
        if (appended.length % 2 === 1) await appended.at(-1)
      }
      if (call.breaks) throw new Error('the image broke')
    }
    const saved = lease.saveSnapshot(epochStart === undefined ? { image: slowly() } : { image: slowly(), epochStart })
    appendBeside()
    if (call.breaks) await expect(saved).rejects.toThrow('the image broke')
    else await saved
    await Promise.all(appended)
    if (!call.breaks) record.save(text, epochStart, covered)
    expect(lease.epochStarts).toEqual([...record.epochStarts.keys()])
    this.#count('save')
  }

  async #open({ runId, saveAt, epochStep }: Extract<Call, { call: 'open' }>, record: ModelRecord): Promise<void> {
    record.retire()
    const expected = { image: record.image, events: record.events }
    const { lease, image, events } = await this.#store.open(runId)
    record.lease = lease
    this.#checkLease(runId, record)
    const read = { image: await textOf(image), events: [] as string[] }
    for await (const event of events) {
      if (read.events.length === saveAt) {
        const text = this.#text('amid the events')
        const epochStart = this.#epoch(record, epochStep)
        await lease.saveSnapshot(snapshot(text, epochStart))
        record.save(text, epochStart, saveAt)
        this.#count('saveAmid')
      }
      read.events.push(show(event))
    }
    expect(read).toEqual(expected)
    this.#count('open')
  }

  #checkLease(runId: string, { lease, epochStarts }: ModelRecord): void {
    expect(lease?.epochStarts).toEqual([...epochStarts.keys()])
    expect(lease?.fence).toBeGreaterThan(this.#highestFence.get(runId) ?? -1)
    this.#highestFence.set(runId, lease?.fence as number)
  }

  async #release(record: ModelRecord): Promise<void> {
    if (!record.lease) return
    await record.lease.release()
    record.retire()
    this.#count('release')
  }

  async #writeStale({ staleLeases }: ModelRecord): Promise<void> {
    for (const lease of [...staleLeases, ...this.#orphans]) {
      await refused(lease.append(this.#event()), 'FENCED', 'NOT_FOUND')
      await refused(lease.saveSnapshot(snapshot('stale', 0)), 'FENCED', 'NOT_FOUND')
      this.#count('writeStale')
    }
  }

  async #remove(runId: string, record: ModelRecord): Promise<void> {
    await this.#store.remove(runId)
    record.retire()
    this.#orphans.push(...record.staleLeases)
    this.#records.delete(runId)
    this.#count('remove')
  }

  async #glance(runId: string, record: ModelRecord): Promise<void> {
    const { image, hasEvents, epochStarts } = await this.#store.glance(runId)
    expect(epochStarts).toEqual([...record.epochStarts.keys()])
    expect(hasEvents).toBe(record.events.length > 0)
    expect(await textOf(image)).toBe(record.image)
    this.#count('glance')
  }

  async #readEpochStarts({ lease, epochStarts }: ModelRecord): Promise<void> {
    if (!lease) return
    for (const [epoch, text] of epochStarts) {
      expect(await textOf(lease.readEpochStart(epoch))).toBe(text)
      this.#count('readEpochStarts')
    }
    await refused(textOf(lease.readEpochStart(99)), 'NOT_FOUND')
  }

  async #list(): Promise<void> {
    expect((await this.#store.list()).sort()).toEqual([...this.#records.keys()].sort())
  }

  async #restart(end: 'close' | 'crash'): Promise<void> {
    const next = await this.#inUse.restart?.(end)
    if (!next) return
    this.#inUse = next
    // Only a lease that wrote something is sure to be known to the next process.
    this.#highestFence.clear()
    this.#orphans.length = 0
    for (const record of this.#records.values()) {
      record.lease = undefined
      record.staleLeases.length = 0
    }
    this.#count('restart')
  }

  async #expectNothing({ call, runId }: Extract<Call, { runId: string }>): Promise<void> {
    if (call === 'open') await refused(this.#store.open(runId).then(readRecord), 'NOT_FOUND')
    if (call === 'glance') await refused(this.#store.glance(runId), 'NOT_FOUND')
    if (call === 'remove') await refused(this.#store.remove(runId), 'NOT_FOUND')
  }
}

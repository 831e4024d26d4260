import { beforeAll, describe, expect, it } from 'vitest'
import type { RunStore } from '../../services/sampler/src/runs/ports.js'
import type { RunEvent } from '../../services/sampler/src/runs/run-event.js'
import { FaultyDisk } from '../support/faulty-disk.js'
import { type Damaging, type Files, flipped, misplaced, mixedUp, rewritten, truncated } from './damaged-files.js'
import { DATA_DIR, openFileStore } from './open-file-store.js'
import { planned, reported, show, snapshot, textOf } from './record-parts.js'

/**
 * What is read from files that are not what was written is the truth, or DAMAGED with the file and the offset; never anything else. One thing only cannot be told from
 * a write that never ended: the last segment without its end. That is cut, and logged, unless the file ends just where a record does: then it is as it was before
 * the rest was written.
 */

const KEPT_STARTS = 2
const RUN_IDS = ['run', 'bystander'] as const
type RunId = (typeof RUN_IDS)[number]

/** What a record holds. */
interface Content {
  readonly image: string
  readonly events: readonly string[]
  readonly epochStarts: readonly (readonly [number, string])[]
}

let files: Files
const truth = {} as Record<RunId, Content>
/** Events that were written together as the last ones. */
const LAST_GROUP = 2
/** Offsets at which the writes of each file began. */
const writes = new Map<string, number[]>()

const folderOf = (runId: RunId) => `${DATA_DIR}/runs/${runId}/`
const filesOf = (runId: RunId) => [...files.keys()].filter((path) => path.startsWith(folderOf(runId))).sort()
const segmentsOf = (runId: RunId) => filesOf(runId).filter((path) => path.endsWith('.journal'))
const lastSegmentOf = (runId: RunId) => segmentsOf(runId).at(-1) as string

async function writeRecord(store: RunStore, runId: RunId, serial: number): Promise<void> {
  const text = (epoch: number) => `${runId} at the start of epoch ${epoch}`
  const report = (sequence: number): RunEvent => reported(2, serial + sequence, [sequence, serial, 0.25])
  const first = await store.create(runId, [snapshot(text(0), 0)])
  for (const epoch of [1, 2]) {
    await first.append(planned(epoch - 1, [1, serial]))
    await first.append(report(100 * epoch))
    await first.saveSnapshot(snapshot(text(epoch), epoch))
  }
  const events = [planned(2, [0, 3, serial]), ...[1, 2, 3, 4, 5, 6].map(report)]
  const [plan, one, two, three, ...others] = events as [RunEvent, RunEvent, RunEvent, RunEvent, ...RunEvent[]]
  await first.append(plan)
  await Promise.all([first.append(one), first.append(two)])
  await first.append(three)
  await first.release()
  const { lease, image, events: read } = await store.open(runId)
  await textOf(image)
  for await (const _ of read);
  const [four, ...lastGroup] = others as [RunEvent, ...RunEvent[]]
  await lease.append(four)
  expect(lastGroup).toHaveLength(LAST_GROUP)
  await Promise.all(lastGroup.map((event) => lease.append(event)))
  await lease.release()
  const epochStarts = [1, 2].map((epoch) => [epoch, text(epoch)] as const)
  truth[runId] = { image: text(2), events: events.map(show), epochStarts }
}

/** Offsets at which the writes of a file began. A new record is written in a folder whose name begins with that of its own. */
function writesOf(disk: FaultyDisk, path: string): number[] {
  const name = path.slice(path.lastIndexOf('/'))
  const folder = path.slice(0, -name.length)
  const isOwn = (other: string) => other.startsWith(folder) && other.endsWith(name)
  const own = disk.steps.filter((step) => step.operation === 'append' && isOwn(step.path))
  return own.map((_, place) => own.slice(0, place).reduce((sum, { byteCount }) => sum + byteCount, 0))
}

beforeAll(async () => {
  const disk = new FaultyDisk()
  const store = await openFileStore(disk, { epochStarts: KEPT_STARTS })
  for (const [place, runId] of RUN_IDS.entries()) await writeRecord(store, runId, 1000 * (place + 1))
  await store.close()
  files = disk.files()
  for (const path of files.keys()) writes.set(path, writesOf(disk, path))
})

/** What comes out: `cut` is logged, `shorter` is not. A start that is gone with its file cannot be rewound to; all else is as it was. */
const OUTCOMES = ['the truth', 'damaged', 'cut', 'shorter', 'an epoch start damaged', 'an epoch start gone'] as const
type Outcome = (typeof OUTCOMES)[number]

/** One damaged directory, opened. */
class Inspection {
  readonly #damaging: Damaging
  readonly #disk: FaultyDisk
  readonly #cuts: string[] = []
  /** Acknowledged events that were not found, of a run that was opened. */
  lost = 0

  constructor(damaging: Damaging) {
    this.#damaging = damaging
    this.#disk = FaultyDisk.of(damaging.files)
  }

  /** What comes out for each run whose files are touched; the other is as it was. */
  async outcomes(): Promise<Outcome[]> {
    const log = (_: string, facts: { file?: string }, message: string) => {
      if (/cut/.test(message)) this.#cuts.push(String(facts.file))
    }
    const store = await openFileStore(this.#disk, { epochStarts: KEPT_STARTS, log })
    expect((await store.list()).sort()).toEqual([...RUN_IDS].sort())
    const outcomes: Outcome[] = []
    for (const runId of RUN_IDS) {
      const outcome = await this.#inspect(store, runId)
      if (this.#damaging.paths.some((path) => path.startsWith(folderOf(runId)))) outcomes.push(outcome)
      else expect(outcome).toBe('the truth')
    }
    await store.close()
    this.#checkReads()
    return outcomes
  }

  async #inspect(store: RunStore, runId: RunId): Promise<Outcome> {
    const { image, events, epochStarts } = truth[runId]
    const hasEvents = await this.#glance(store, runId)
    const opened = await unlessDamaged(runId, store.open(runId))
    // A run that shows no events at a glance is told from its snapshot: it must neither have any nor be damaged.
    if (!opened) expect(hasEvents).not.toBe(false)
    if (!opened) return 'damaged'
    const foundImage = await unlessDamaged(runId, textOf(opened.image))
    const found: string[] = []
    const isRead = await unlessDamaged(
      runId,
      (async () => {
        for await (const event of opened.events) found.push(show(event))
        return true
      })(),
    )
    // Also what was read before the damage was met.
    expect(found).toEqual(events.slice(0, found.length))
    if (hasEvents === false) expect([found, isRead]).toEqual([[], true])
    if (foundImage === undefined || !isRead) return 'damaged'
    expect(foundImage).toBe(image)
    this.#checkEpochStarts(runId, opened.lease.epochStarts)
    const damaged: number[] = []
    for (const [epoch, text] of epochStarts) {
      if (!opened.lease.epochStarts.includes(epoch)) continue
      const start = await unlessDamaged(runId, textOf(opened.lease.readEpochStart(epoch)))
      if (start === undefined) damaged.push(epoch)
      else expect(start).toBe(text)
    }
    await opened.lease.append(planned(77))
    const again = await store.open(runId)
    expect(await textOf(again.image)).toBe(image)
    const after: string[] = []
    for await (const event of again.events) after.push(show(event))
    expect(after).toEqual([...found, show(planned(77))])
    this.lost = Math.max(this.lost, events.length - found.length)
    if (found.length < events.length) return this.#cut(runId)
    if (damaged.length > 0) return 'an epoch start damaged'
    return opened.lease.epochStarts.length < epochStarts.length ? 'an epoch start gone' : 'the truth'
  }

  /** An epoch start is missing only with its file. */
  #checkEpochStarts(runId: RunId, found: readonly number[]): void {
    const epochs = truth[runId].epochStarts.map(([epoch]) => epoch)
    const files = this.#damaging.files
    const gone = epochs.filter(
      (epoch) => !filesOf(runId).some((path) => path.includes(`epoch-${epoch}.`) && files.has(path)),
    )
    expect(found).toEqual(epochs.filter((epoch) => !gone.includes(epoch)))
  }

  /** Whether events follow the snapshot, at a glance. */
  async #glance(store: RunStore, runId: RunId): Promise<boolean | undefined> {
    const glance = await unlessDamaged(runId, store.glance(runId))
    if (!glance) return undefined
    this.#checkEpochStarts(runId, glance.epochStarts)
    const image = await unlessDamaged(runId, textOf(glance.image))
    if (image !== undefined) expect(image).toBe(truth[runId].image)
    return glance.hasEvents
  }

  /** A cut is of the end of the last segment. */
  #cut(runId: RunId): Outcome {
    const path = lastSegmentOf(runId)
    expect(this.#damaging.paths).toContain(path)
    if (this.#cuts.includes(path)) return 'cut'
    const rest = this.#damaging.files.get(path) ?? new Uint8Array()
    expect(Buffer.from(rest)).toEqual(Buffer.from(files.get(path) as Uint8Array).subarray(0, rest.length))
    return 'shorter'
  }

  /** A length that was never written must not be believed: memory for it would be taken at once. And no damage makes a run take long. */
  #checkReads(): void {
    const longest = Math.max(...[...this.#damaging.files.values()].map(({ length }) => length))
    const asked = this.#disk.steps.filter(({ operation }) => operation === 'read').map(({ byteCount }) => byteCount)
    expect(Math.max(...asked)).toBeLessThanOrEqual(longest + 64)
    expect(this.#disk.steps.length).toBeLessThan(500)
  }
}

/** What is found, or undefined where it is DAMAGED, with a text that says where. */
async function unlessDamaged<T>(runId: RunId, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    expect(error).toMatchObject({ name: 'StoreError', reason: 'DAMAGED', runId })
    expect((error as Error).message).toMatch(new RegExp(`${folderOf(runId).slice(0, -1)}.*, byte \\d+`))
    return undefined
  }
}

/** Opens them all: the number of cases, how often each came out, and the most events that were lost. */
async function inspectAll(
  damagings: Iterable<Damaging>,
): Promise<{ cases: number; lost: number; counts: Record<Outcome, number> }> {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>
  let cases = 0
  let lost = 0
  for (const damaging of damagings) {
    cases++
    const inspection = new Inspection(damaging)
    const outcomes = await inspection.outcomes().catch((error: Error) => {
      error.message = `${damaging.name}: ${error.message}`
      throw error
    })
    lost = Math.max(lost, inspection.lost)
    for (const outcome of outcomes) counts[outcome]++
  }
  return { cases, lost, counts }
}

/** Expects these outcomes, each of them at least once, and no other. */
function expectOnly({ counts }: Awaited<ReturnType<typeof inspectAll>>, ...outcomes: Outcome[]): void {
  expect(OUTCOMES.filter((outcome) => counts[outcome] > 0).sort()).toEqual(outcomes.sort())
}

describe('damaged files', () => {
  let oldSnapshot: string
  let newSnapshot: string
  let firstSegment: string
  let lastSegment: string

  beforeAll(() => {
    ;[firstSegment, lastSegment, oldSnapshot, newSnapshot] = filesOf('run') as [string, string, string, string]
  })

  it('are compared with a record of two snapshots and two segments', async () => {
    const kinds = [firstSegment, lastSegment, oldSnapshot, newSnapshot].map((path) => path.split('.').at(-1))
    expect(kinds).toEqual(['journal', 'journal', 'snapshot', 'snapshot'])
    expect(filesOf('run')).toHaveLength(4)
    expectOnly(await inspectAll([{ name: 'no damage', paths: filesOf('run'), files }]), 'the truth')
  })

  it('with any byte changed are told; of the last segment the last group is cut, at most', async () => {
    expectOnly(await inspectAll(flipped(files, oldSnapshot)), 'an epoch start damaged')
    expectOnly(await inspectAll(flipped(files, newSnapshot)), 'damaged')
    expectOnly(await inspectAll(flipped(files, firstSegment)), 'damaged')
    const last = await inspectAll(flipped(files, lastSegment))
    expectOnly(last, 'damaged', 'cut')
    expect(last.lost).toBe(LAST_GROUP)
    expect(last.cases).toBeGreaterThan(900)
  }, 60_000)

  it('that end too early are told, but for the last segment, which is cut', async () => {
    expectOnly(await inspectAll(truncated(files, oldSnapshot)), 'an epoch start damaged')
    expectOnly(await inspectAll(truncated(files, newSnapshot)), 'damaged')
    expectOnly(await inspectAll(truncated(files, firstSegment)), 'damaged')
    const last = await inspectAll(truncated(files, lastSegment))
    expectOnly(last, 'cut', 'shorter')
    // Where a record ends, the header does, or the file begins.
    expect(last.counts.shorter).toBeLessThanOrEqual(4)
  }, 60_000)

  it('with blocks that are missing, empty, doubled or misplaced are told, where it matters', async () => {
    expectOnly(await inspectAll(misplaced(files, oldSnapshot)), 'an epoch start damaged')
    expectOnly(await inspectAll(misplaced(files, newSnapshot)), 'damaged')
    // What follows the last record was not acknowledged.
    expectOnly(await inspectAll(misplaced(files, firstSegment)), 'damaged', 'the truth')
    expectOnly(await inspectAll(misplaced(files, lastSegment)), 'damaged', 'the truth', 'cut', 'shorter')
  }, 60_000)

  it('with whole writes that are missing, doubled or misplaced are told, where it matters', async () => {
    expectOnly(
      await inspectAll(rewritten(files, firstSegment, writes.get(firstSegment) as number[])),
      'damaged',
      'the truth',
    )
    const last = await inspectAll(rewritten(files, lastSegment, writes.get(lastSegment) as number[]))
    expectOnly(last, 'damaged', 'the truth', 'cut', 'shorter')
  })

  it('that are missing, there twice or mixed up, also with those of another run, are told', async () => {
    const paths = [...filesOf('run'), ...filesOf('bystander')]
    const mixed = await inspectAll(mixedUp(files, paths, otherNames))
    expect(mixed.cases).toBeGreaterThan(150)
    // Without the last segment it is as if that had never been written, and one that is no segment as if nothing of it had been synced.
    // What has a name that no file of a record has is let be.
    expectOnly(mixed, 'damaged', 'the truth', 'cut', 'shorter', 'an epoch start damaged', 'an epoch start gone')
  })

  it('of one run in the folder of another are told', async () => {
    const moved = new Map([...files].filter(([path]) => !path.startsWith(folderOf('run'))))
    for (const path of filesOf('bystander')) {
      moved.set(path.replace(folderOf('bystander'), folderOf('run')), files.get(path) as Uint8Array)
    }
    expectOnly(await inspectAll([{ name: 'another run', paths: filesOf('run'), files: moved }]), 'damaged')
  })

  it('of a large image are told wherever it is', async () => {
    const disk = new FaultyDisk()
    const store = await openFileStore(disk, { epochStarts: KEPT_STARTS })
    const pieces = Array.from({ length: 5 }, (_, place) => new Uint8Array(700_000).fill(place))
    await store.create('run', [{ image: pieces }])
    await store.close()
    const large = disk.files()
    const [path] = [...large.keys()].filter((each) => each.endsWith('.snapshot')) as [string]
    const offsets = writesOf(disk, path)
    expect(offsets.length).toBeGreaterThan(3)
    const damagings = [...rewritten(large, path, offsets)]
    for (const offset of offsets) {
      for (const at of [offset, offset + 4, offset + 1000]) {
        const bytes = (large.get(path) as Uint8Array).slice()
        bytes[at] = 1 ^ (bytes[at] as number)
        damagings.push({ name: `bit at byte ${at}`, paths: [path], files: new Map(large).set(path, bytes) })
      }
    }
    const readLarge = async (found: Files) => {
      const opened = await openFileStore(FaultyDisk.of(found), { epochStarts: KEPT_STARTS })
      return Buffer.concat(await collect((await opened.open('run')).image))
    }
    expect((await readLarge(large)).equals(Buffer.concat(pieces))).toBe(true)
    for (const { files: found } of damagings) {
      expect(await unlessDamaged('run', readLarge(found))).toBe(undefined)
    }
  })

  it('at the top of the directory keep it from being opened, and from being changed', async () => {
    const path = `${DATA_DIR}/version`
    const without = new Map(files)
    without.delete(path)
    const damagings = [
      ...flipped(files, path),
      ...truncated(files, path),
      { name: 'missing', paths: [path], files: without },
    ]
    for (const { name, files: found } of damagings) {
      const disk = FaultyDisk.of(found)
      const refusal = await openFileStore(disk, { epochStarts: KEPT_STARTS }).then(
        () => 'opened',
        (error: unknown) => error,
      )
      expect([name, refusal]).toEqual([name, expect.objectContaining({ name: 'StoreError' })])
      expect((refusal as Error).message).toContain(`"${DATA_DIR}"`)
      expect(disk.files()).toEqual(found)
    }
  })
})

async function collect(image: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = []
  for await (const piece of image) pieces.push(piece)
  return pieces
}

/** Names that files of a record could have. */
function otherNames(path: string): string[] {
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  const names = filesOf('run').map((own) => own.slice(own.lastIndexOf('/') + 1))
  const invented = [
    '00000009.snapshot',
    '00000009.epoch-7.snapshot',
    '000000000099.journal',
    '000000000005.journal',
    'x.tmp',
  ]
  return [...names, ...invented].map((name) => `${folder}${name}`)
}

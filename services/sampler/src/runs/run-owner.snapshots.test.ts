import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../store/memory/memory-store.js'
import { imageOf } from './image/write-image.js'
import type { RunLease, Snapshot } from './ports.js'
import { Run } from './run.js'
import { RunOwner } from './run-owner.js'
import { resolveRunSpec } from './run-spec.js'
import { leaseOf, ownerParts } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'
import { trainEpoch } from './testing/trained-run.js'

const spec = resolveRunSpec(requestedSpec({ sampleCount: 20, selectionPeriod: 1 }))
const created = { runId: 'r', spec, time: 0 }
const forever = Number.POSITIVE_INFINITY
const never = new AbortController().signal
const request = { generation: 0, epoch: 0, rank: 0, worldSize: 1, lastSequence: 0, startPosition: 0 }

function gateOf() {
  let open: () => void = () => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

/** An owner whose appends and snapshots end as the test says. */
function ownerWith(parts: Partial<RunLease>) {
  const failed: string[] = []
  const { listener, ...rest } = ownerParts()
  const snapshotFailed = (_: string, error: Error) => failed.push(error.message)
  const lease = { ...leaseOf(async () => {}), ...parts }
  const owner = new RunOwner(new Run(created), lease, { ...rest, listener: { ...listener, snapshotFailed } })
  return { owner, failed }
}

/** A report of one sample, so many times: what comes after the first is a repeat, and recorded all the same. */
const longReport = (sequence: number, index: number, length = 150_000) => ({
  generation: 0,
  epoch: 0,
  rank: 0,
  sequence,
  indices: new Uint32Array(length).fill(index),
  losses: new Float32Array(length),
})

describe('snapshots of an owner', () => {
  it('come in mid-epoch when its events have become many, one at a time', async () => {
    const saves: Snapshot[] = []
    const gate = gateOf()
    const { owner } = ownerWith({
      saveSnapshot: async (snapshot) => {
        saves.push(snapshot)
        if (saves.length > 1) await gate.promise
      },
    })
    const { order } = await owner.planEpoch(request, forever, never)
    expect(saves.map(({ epochStart }) => epochStart)).toEqual([0])
    const index = order[0] as number
    await owner.report(longReport(1, index, 50_000))
    expect(saves).toHaveLength(1)
    await owner.report(longReport(2, index))
    await owner.report(longReport(3, index))
    expect(saves.map(({ epochStart }) => epochStart)).toEqual([0, undefined])
    gate.open()
    await owner.read()
    await owner.report(longReport(4, index))
    expect(saves).toHaveLength(3)
  })

  it('that fail are told, and not tried again with the next report', async () => {
    let saves = 0
    const { owner, failed } = ownerWith({
      saveSnapshot: async () => {
        saves++
        throw new Error('no space left on device')
      },
    })
    const { order } = await owner.planEpoch(request, forever, never)
    const index = order[0] as number
    for (let sequence = 1; sequence <= 6; sequence++) {
      await owner.report(longReport(sequence, index, 60_000))
      await owner.read()
    }
    // Of 60,001 weights each: after the second, and after the fourth.
    expect(saves).toBe(4)
    expect(failed).toEqual(new Array(4).fill('no space left on device'))
  })

  it('are waited for by the next plan, by a release, and by nobody who reports', async () => {
    const gate = gateOf()
    const done: string[] = []
    const { owner } = ownerWith({
      saveSnapshot: () => gate.promise,
      release: async () => void done.push('released'),
    })
    await trainEpoch(owner, 0)
    const plan = owner
      .planEpoch({ ...request, epoch: 1, lastSequence: 3 }, forever, never)
      .then(() => done.push('plan'))
    await new Promise(setImmediate)
    expect(owner.idleSince).toBeUndefined()
    expect(done).toEqual([])
    gate.open()
    await plan
    owner.close(new Error('over'))
    await owner.release()
    expect(done).toEqual(['plan', 'released'])
  })

  it('do not get into the way of a rewind while the run is being finished', async () => {
    const store = new MemoryStore({ epochStarts: 3 })
    const run = new Run(created)
    const lease = await store.create('r', [{ image: imageOf(run), epochStart: 0 }])
    const owner = new RunOwner(run, lease, ownerParts())
    await trainEpoch(owner, 0)
    await trainEpoch(owner, 1)
    const [finished, rewound] = await Promise.all([owner.finish(), owner.rewind(1, 0)])
    expect(finished.runId).toBe('r')
    expect(rewound).toMatchObject({ isFinished: false, nextEpoch: 1, generation: 2 })
  })
})

describe('what an owner tells', () => {
  it('is recorded: the run, its statistics, its export and a plan that is asked for again', async () => {
    let gate = gateOf()
    gate.open()
    const { owner } = ownerWith({ append: () => gate.promise })
    const { order } = await owner.planEpoch(request, forever, never)
    gate = gateOf()
    void owner.report(longReport(1, order[0] as number, 1))
    const told: string[] = []
    const asked = [
      owner.read().then(({ progress }) => told.push(`read ${progress.reports}`)),
      owner.statistics(() => {}).then(({ facts }) => told.push(`statistics ${facts.progress.reports}`)),
      owner
        .export()
        .next()
        .then(() => told.push('export')),
      owner.planEpoch(request, forever, never).then(() => told.push('plan')),
    ]
    await new Promise(setImmediate)
    expect(told).toEqual([])
    // A later report, which is never recorded, must not be in what was asked for before.
    const recorded = gate
    gate = gateOf()
    void owner.report(longReport(2, order[1] as number, 1))
    recorded.open()
    await Promise.all(asked)
    expect(told.sort()).toEqual(['export', 'plan', 'read 1', 'statistics 1'])
  })

  it('is refused where it will never be recorded', async () => {
    const { owner } = ownerWith({
      append: async (event) => {
        if (event.type === 'losses_reported') throw new Error('disk on fire')
      },
    })
    const { order } = await owner.planEpoch(request, forever, never)
    const refused = expect(owner.report(longReport(1, order[0] as number, 1))).rejects.toThrow('disk on fire')
    await expect(owner.read()).rejects.toThrow('disk on fire')
    await expect(owner.statistics(() => {})).rejects.toThrow('disk on fire')
    await expect(owner.export().next()).rejects.toThrow('disk on fire')
    await refused
  })
})

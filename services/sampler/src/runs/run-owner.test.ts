import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { rankPositions } from '../core/plans/testing/rank-positions.js'
import { isChoice, makePlan } from './make-plan.js'
import type { Plan } from './plan.js'
import type { Planner, RunLease } from './ports.js'
import { Run } from './run.js'
import type { RunEvent } from './run-event.js'
import { RunOwner } from './run-owner.js'
import { type RequestedRunSpec, resolveRunSpec } from './run-spec.js'
import { inlinePlanner, leaseOf, ownerParts, plannerAfter } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'
import { scorePositions } from './testing/score-positions.js'

const never = new AbortController().signal

function ownerOf(given: Partial<RequestedRunSpec> = {}, planner = inlinePlanner, lease?: RunLease) {
  const spec = resolveRunSpec(requestedSpec({ sampleCount: 20, seed: 1n, selectionPeriod: 1, ...given }))
  const events: RunEvent[] = []
  const record = leaseOf(async (event: RunEvent) => void events.push(event))
  const run = new Run({ time: 0, runId: 'r', spec })
  return { run, events, owner: new RunOwner(run, lease ?? record, ownerParts(planner)) }
}

const request = (
  epoch: number,
  { rank = 0, worldSize = 1, lastSequence = 0, startPosition = 0, generation = 0 } = {},
) => ({
  generation,
  epoch,
  rank,
  worldSize,
  lastSequence,
  startPosition,
})

const report = (epoch: number, rank: number, sequence: number, indices: Uint32Array, loss = 1) => ({
  generation: 0,
  epoch,
  rank,
  sequence,
  indices,
  losses: new Float32Array(indices.length).fill(loss),
})

/** A promise that the test settles. */
function gateOf() {
  let resolve: () => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

const forever = Number.POSITIVE_INFINITY

const everyone = Uint32Array.from({ length: 20 }, (_, index) => index)

/** An owner of 20 samples whose planner tells of which epochs it made plans, and the whole report of one rank of one. */
function watched(given: Partial<RequestedRunSpec> = {}) {
  const made: string[] = []
  const planner: Planner = {
    make: async (work) => {
      made.push(`${work.epoch} for ${work.sharding.worldSize}${isChoice(work.kept) ? ', chosen' : ''}`)
      return makePlan(work)
    },
  }
  return { made, ...ownerOf({ warmupEpochs: 1, ...given }, planner) }
}

describe('RunOwner', () => {
  it('makes a plan once: asking again gives the very same', async () => {
    const { owner, events } = ownerOf()
    const first = await owner.planEpoch(request(0), forever, never)
    expect(await owner.planEpoch(request(0), forever, never)).toBe(first)
    expect(events.map(({ type }) => type)).toEqual(['epoch_planned'])
  })

  it('waits for the last rank, whatever the order of asking', async () => {
    const { owner, run } = ownerOf()
    const second = owner.planEpoch(request(0, { rank: 1, worldSize: 2 }), forever, never)
    await Promise.resolve()
    expect(run.nextEpoch).toBe(0)
    const first = owner.planEpoch(request(0, { rank: 0, worldSize: 2 }), forever, never)
    expect(await first).toBe(await second)
  })

  it('waits for every report that a rank said it sent', async () => {
    const { owner, run } = ownerOf()
    const { order } = await owner.planEpoch(request(0), forever, never)
    const next = owner.planEpoch(request(1, { lastSequence: 2 }), forever, never)
    await owner.report(report(0, 0, 1, order.slice(0, 5)))
    expect(run.nextEpoch).toBe(1)
    await owner.report(report(0, 0, 2, order.slice(5)))
    expect((await next).epoch).toBe(1)
    expect(run.progress.observations).toBe(20)
  })

  it('at the deadline names the ranks that did not ask and the reports that did not come', async () => {
    const { owner } = ownerOf()
    await owner.planEpoch(request(0), forever, never)
    const ask = owner.planEpoch(request(1, { rank: 0, worldSize: 3, lastSequence: 4 }), 0, never)
    await expect(ask).rejects.toMatchObject({
      reason: 'BARRIER_TIMEOUT',
      message: expect.stringMatching(
        /epoch 1 .* ranks 1, 2 of 3 did not ask.*rank 0 said it sent 4 reports.*of which 0 came/,
      ),
    })
  })

  it('tells a rank that never asked from one that asked and went away', async () => {
    const { owner } = ownerOf()
    const gone = new AbortController()
    const left = owner.planEpoch(request(0, { rank: 1, worldSize: 3 }), forever, gone.signal)
    gone.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    await expect(owner.planEpoch(request(0, { worldSize: 3 }), 0, never)).rejects.toThrow(
      'rank 2 of 3 did not ask for it; rank 1 of 3 asked, but waits no more',
    )
    // With another world size nobody has asked yet.
    await expect(owner.planEpoch(request(0, { worldSize: 2 }), 0, never)).rejects.toThrow('rank 1 of 2 did not ask')
  })

  it('plans when a rank whose time was up asks again', async () => {
    const { owner } = ownerOf()
    await expect(owner.planEpoch(request(0, { rank: 1, worldSize: 2 }), 0, never)).rejects.toThrow(/rank 0 of 2/)
    const first = owner.planEpoch(request(0, { rank: 0, worldSize: 2 }), forever, never)
    const again = owner.planEpoch(request(0, { rank: 1, worldSize: 2 }), forever, never)
    expect(await again).toBe(await first)
  })

  it('takes another world size once those that waited have gone, and refuses it while they wait', async () => {
    const { owner } = ownerOf()
    const gone = new AbortController()
    const waiting = owner.planEpoch(request(0, { rank: 1, worldSize: 2 }), forever, gone.signal)
    await expect(owner.planEpoch(request(0), forever, never)).rejects.toMatchObject({ reason: 'WORLD_SIZE_MISMATCH' })
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    expect((await owner.planEpoch(request(0), forever, never)).sharding.worldSize).toBe(1)
    await expect(owner.planEpoch(request(0, { worldSize: 2 }), forever, never)).rejects.toThrow(/planned for 1 ranks/)
  })

  it('gives no plan of another world size to one who came while it was being made', async () => {
    const gate = gateOf()
    const { owner } = ownerOf({ warmupEpochs: 0 }, plannerAfter(gate.promise))
    const gone = new AbortController()
    const left = owner.planEpoch(request(0, { worldSize: 1 }), forever, gone.signal)
    gone.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    const late = owner.planEpoch(request(0, { worldSize: 2 }), forever, never)
    gate.resolve()
    await expect(late).rejects.toMatchObject({ reason: 'WORLD_SIZE_MISMATCH' })
  })

  it('lets the newest call of a rank count: an older one of a trainer that died neither holds nor blocks', async () => {
    const { owner } = ownerOf()
    await owner.planEpoch(request(0), forever, never)
    const older = owner.planEpoch(request(1, { lastSequence: 2 }), forever, never)
    const newer = owner.planEpoch(request(1), forever, never)
    await expect(older).rejects.toMatchObject({ reason: 'ASK_SUPERSEDED', message: expect.stringContaining('rank 0') })
    expect((await newer).epoch).toBe(1)
  })

  it('lets a rank that waits alone come back with another world size', async () => {
    const { owner } = ownerOf()
    const older = owner.planEpoch(request(0, { worldSize: 4 }), forever, never)
    const newer = owner.planEpoch(request(0), forever, never)
    await expect(older).rejects.toMatchObject({ reason: 'ASK_SUPERSEDED' })
    expect((await newer).sharding.worldSize).toBe(1)
  })

  it('never answers with the plan of another epoch, also while a plan is on its way to the disk', async () => {
    const gate = gateOf()
    const { owner } = ownerOf(
      {},
      inlinePlanner,
      leaseOf(() => gate.promise),
    )
    const first = owner.planEpoch(request(0), forever, never)
    const second = owner.planEpoch(request(1), forever, never)
    gate.resolve()
    expect((await first).epoch).toBe(0)
    expect((await second).epoch).toBe(1)
  })

  it('tells nothing of a run that is not recorded yet', async () => {
    const gate = gateOf()
    const { owner } = ownerOf(
      {},
      inlinePlanner,
      leaseOf(() => gate.promise),
    )
    void owner.planEpoch(request(0), forever, never)
    const told: number[] = []
    const reading = owner.read().then((run) => told.push(run.nextEpoch))
    await new Promise(setImmediate)
    expect(told).toEqual([])
    gate.resolve()
    await reading
    expect(told).toEqual([1])
  })

  it('finishes after the plan that is being made', async () => {
    const gate = gateOf()
    const { owner, events } = ownerOf({ warmupEpochs: 0 }, plannerAfter(gate.promise))
    const asked = owner.planEpoch(request(0), forever, never)
    const finished = owner.finish()
    gate.resolve()
    expect((await asked).epoch).toBe(0)
    await finished
    expect(events.map(({ type }) => type)).toEqual(['epoch_planned', 'run_finished'])
  })

  it('appends nothing more when it is closed while a kept set is being chosen', async () => {
    const gate = gateOf()
    const { owner, events } = ownerOf({ warmupEpochs: 0 }, plannerAfter(gate.promise))
    const asked = owner.planEpoch(request(0), forever, never)
    owner.close(new Error('deleted'))
    await expect(asked).rejects.toThrow('deleted')
    gate.resolve()
    await new Promise(setImmediate)
    expect(events).toEqual([])
  })

  it('leaves no listener behind when a wait ends, however it ends', async () => {
    const { owner } = ownerOf()
    const { signal } = new AbortController()
    const listeners = () => getEventListeners(signal, 'abort').length
    await expect(owner.planEpoch(request(0, { worldSize: 2 }), 0, signal)).rejects.toThrow(/rank 1/)
    await owner.planEpoch(request(0), forever, signal)
    expect(listeners()).toBe(0)
  })

  it("refuses a report of a sample that DROP left out: it is in no rank's plan", async () => {
    const { owner } = ownerOf({ shardMode: 'drop', positionMultiple: 8 })
    const { order } = await owner.planEpoch(request(0), forever, never)
    await expect(owner.report(report(0, 0, 1, order.slice(16, 17)))).rejects.toThrow(/not in the plan of rank 0/)
    expect((await owner.report(report(0, 0, 1, order.slice(0, 16)))).observations).toBe(16)
  })

  it('lets nothing change the run while a kept set is being chosen', async () => {
    const gate = gateOf()
    const { owner, run } = ownerOf({}, plannerAfter(gate.promise))
    const { order } = await owner.planEpoch(request(0), forever, never)
    const next = owner.planEpoch(request(1), forever, never)
    const late = owner.report(report(0, 0, 1, order))
    expect(run.progress.reports).toBe(0)
    gate.resolve()
    await next
    await expect(late).rejects.toMatchObject({ reason: 'WRONG_EPOCH' })
    expect(run.progress.reports).toBe(0)
  })

  it('fails the waiting ranks where the selection fails, and tries anew when asked again', async () => {
    let failures = 1
    const flaky: Planner = {
      make: async (work) => {
        if (failures-- > 0) throw new Error('worker died')
        return makePlan(work)
      },
    }
    const { owner } = ownerOf({ warmupEpochs: 0 }, flaky)
    await expect(owner.planEpoch(request(0), forever, never)).rejects.toThrow('worker died')
    expect((await owner.planEpoch(request(0), forever, never)).reason).toBe('selected')
  })

  it('after it came back from its record applies no report while the next plan is being made', async () => {
    const gate = gateOf()
    const { run, owner } = ownerOf({}, plannerAfter(gate.promise))
    // A plan without its arrays, as a replay leaves it.
    run.apply({ type: 'epoch_planned', time: 0, epoch: 0, worldSize: 1, reason: 'warmup' })
    expect(run.plan?.isReady).toBe(false)
    const next = owner.planEpoch(request(1), forever, never)
    const late = owner.report(report(0, 0, 1, Uint32Array.of(0, 1, 2)))
    const later = owner.report(report(0, 0, 2, Uint32Array.of(3)))
    setTimeout(gate.resolve, 20)
    expect((await next).epoch).toBe(1)
    await expect(late).rejects.toMatchObject({ reason: 'WRONG_EPOCH' })
    await expect(later).rejects.toMatchObject({ reason: 'WRONG_EPOCH' })
    expect(run.progress.reports).toBe(0)
  })

  it('computes a forgotten order once for all ranks that ask again', async () => {
    let made = 0
    const planner: Planner = {
      make: async (work) => {
        made++
        await new Promise((resolve) => setTimeout(resolve, 5))
        return makePlan(work)
      },
    }
    const { owner } = ownerOf({}, planner)
    const askAll = () =>
      Promise.all([0, 1, 2].map((rank) => owner.planEpoch(request(0, { rank, worldSize: 3 }), forever, never)))
    const [plan] = (await askAll()) as [Plan]
    for (const rank of [0, 1, 2]) owner.served(plan, rank)
    expect(plan.hasOrder).toBe(false)
    await askAll()
    expect(made).toBe(2)
  })

  it('closes where the arrays of its plan cannot be had, with what is missing', async () => {
    const full: Planner = { make: () => Promise.reject(new Error('worker died')) }
    const { run, owner } = ownerOf({}, full)
    run.apply({ type: 'epoch_planned', time: 0, epoch: 0, worldSize: 1, reason: 'warmup' })
    const plan = run.plan as Plan
    Object.defineProperty(plan, 'keptSet', {
      get: () => {
        throw new RangeError('Array buffer allocation failed')
      },
    })
    const refusals = [report(0, 0, 1, Uint32Array.of(1)), report(0, 0, 2, Uint32Array.of(2))].map((each) =>
      expect(owner.report(each)).rejects.toThrow(),
    )
    await Promise.all(refusals)
    expect(owner.isOpen).toBe(false)
  })

  it('after it came back from its record takes reports in the order of the calls', async () => {
    const { run, owner } = ownerOf()
    run.apply({ type: 'epoch_planned', time: 0, epoch: 0, worldSize: 1, reason: 'warmup' })
    const sequences = [1, 2, 3, 4]
    const acks = await Promise.all(sequences.map((n) => owner.report(report(0, 0, n, Uint32Array.of(n)))))
    expect(acks.map(({ observations }) => observations)).toEqual([1, 1, 1, 1])
    expect(run.progress.reports).toBe(4)
  })

  it('refuses more ranks than a policy has kept samples for that decides by itself, and makes the plan for fewer', async () => {
    const policy = { name: 'ies', settings: { tau: 1 } } as const
    const { owner, run } = ownerOf({ policy, pruneRate: 0, totalEpochs: 9, scoreLeftOut: false })
    // Losses at rest but for two samples: these alone are kept after three differences.
    for (let epoch = 0; epoch < 5; epoch++) {
      const { order } = await owner.planEpoch(request(epoch, { lastSequence: Math.min(epoch, 1) }), forever, never)
      const losses = Float32Array.from(order, (index) => (index < 2 ? 10 * (epoch % 2) : 1))
      await owner.report({ ...report(epoch, 0, 1, order), losses })
    }
    const ask = (rank: number, worldSize: number) =>
      owner.planEpoch(request(5, { rank, worldSize, lastSequence: rank === 0 ? 1 : 0 }), forever, never)
    const three = [0, 1, 2].map((rank) => expect(ask(rank, 3)).rejects.toThrow('world_size is 3, but 2 samples kept'))
    await Promise.all(three)
    expect(run.nextEpoch).toBe(5)
    const [plan] = await Promise.all([ask(0, 2), ask(1, 2)])
    expect([...plan.order].sort()).toEqual([0, 1])
  })

  describe('where what is left out is scored', () => {
    const scored = { scoreLeftOut: true, selectionPeriod: 2, totalEpochs: 5 }
    const ask = (owner: RunOwner, epoch: number) => owner.planEpoch(request(epoch), forever, never)

    it('gives it out once an epoch is planned after which a selection comes, and takes its losses', async () => {
      const { owner, run } = ownerOf(scored)
      await expect(owner.planScoring(request(0))).rejects.toThrow('epoch is 0, but no epoch is planned yet')
      // Warm-up, selected, reused before a selection, selected, the last one.
      const counts = []
      for (let epoch = 0; epoch < 5; epoch++) counts.push((await ask(owner, epoch)).scoreCount(0))
      expect(counts).toEqual([0, 0, 10, 0, 0])

      const other = ownerOf(scored)
      for (const epoch of [0, 1, 2]) await ask(other.owner, epoch)
      const plan = await other.owner.planScoring(request(2))
      const leftOut = scorePositions(plan)
      expect([...leftOut, ...plan.order].sort((a, b) => a - b)).toEqual([...Array(20).keys()])
      await other.owner.report(report(2, 0, 1, plan.order))
      expect(await other.owner.report(report(2, 0, 2, leftOut, 7))).toMatchObject({ observations: 10 })
      expect(other.run.statistics.lastLoss[leftOut[0] as number]).toBe(7)
      await other.owner.report(report(2, 0, 3, leftOut.slice(0, 3), 8))
      expect(other.run.progress).toMatchObject({ scored: 10, repeats: 3 })
      expect(other.run.saving).toBe(1 - 40 / 60)
      expect(run.progress.scored).toBe(0)
    })

    it('shares it out over ranks, each of which may report its own alone', async () => {
      const { owner } = ownerOf({ scoreLeftOut: true })
      const all = (epoch: number) =>
        [0, 1, 2].map((rank) => owner.planEpoch(request(epoch, { rank, worldSize: 3 }), forever, never))
      await Promise.all(all(0))
      const [plan] = (await Promise.all(all(1))) as [Plan]
      const parts = [0, 1, 2].map((rank) => scorePositions(plan, rank))
      expect(parts.map(({ length }) => length)).toEqual([4, 3, 3])
      expect(new Set(parts.flatMap((part) => [...part])).size).toBe(10)
      await owner.report(report(1, 1, 1, parts[1] as Uint32Array))
      await expect(owner.report(report(1, 2, 1, parts[1] as Uint32Array))).rejects.toThrow('not in the plan of rank 2')
      await expect(owner.planScoring(request(1, { worldSize: 2 }))).rejects.toThrow('was planned for 3 ranks')
      await expect(owner.planScoring(request(0, { worldSize: 3 }))).rejects.toThrow('the planned epoch is 1')
      const late = request(1, { worldSize: 3, startPosition: 5 })
      await expect(owner.planScoring(late)).rejects.toThrow('rank 0 has 4 samples to score')
      await owner.finish()
      await expect(owner.planScoring(request(1, { worldSize: 3 }))).rejects.toThrow('is finished')
    })

    it('makes the next plan ahead only when that is scored, too', async () => {
      const { made, owner } = watched({ scoreLeftOut: true })
      const plan = [await ask(owner, 0), await owner.report(report(0, 0, 1, everyone)), await ask(owner, 1)][2] as Plan
      await owner.report(report(1, 0, 1, plan.order))
      expect(made).toEqual(['0 for 1', '1 for 1, chosen'])
      await owner.report(report(1, 0, 2, scorePositions(plan)))
      expect(made).toEqual(['0 for 1', '1 for 1, chosen', '2 for 1, chosen'])
    })
  })

  describe('with all losses of an epoch', () => {
    const askAll = (owner: RunOwner, epoch: number, worldSize: number) =>
      Promise.all(
        Array.from({ length: worldSize }, (_, rank) =>
          owner.planEpoch(request(epoch, { rank, worldSize }), forever, never),
        ),
      )

    it('begins to make the next plan before anyone asks for it, and makes it once', async () => {
      const { owner, made } = watched()
      const { order } = await owner.planEpoch(request(0), forever, never)
      await owner.report(report(0, 0, 1, order.slice(0, 19)))
      expect(made).toEqual(['0 for 1'])
      await owner.report(report(0, 0, 2, order.slice(19)))
      expect(made).toEqual(['0 for 1', '1 for 1, chosen'])
      await owner.report(report(0, 0, 3, order))
      const plan = await owner.planEpoch(request(1), forever, never)
      expect(made).toEqual(['0 for 1', '1 for 1, chosen'])
      const { owner: twin } = watched()
      await twin.planEpoch(request(0), forever, never)
      await twin.report(report(0, 0, 1, order.slice(0, 19)))
      await twin.report(report(0, 0, 2, order.slice(19)))
      expect((await twin.planEpoch(request(1), forever, never)).digest).toEqual(plan.digest)
    })

    it('takes its kept set alone where other ranks ask than before', async () => {
      const { owner, made } = watched()
      const [plan] = await askAll(owner, 0, 2)
      for (const rank of [0, 1]) {
        const indices = rankPositions((plan as Plan).order, rank, (plan as Plan).sharding, 0, 10)
        await owner.report(report(0, rank, 1, indices))
      }
      const [next] = await askAll(owner, 1, 3)
      expect(made).toEqual(['0 for 2', '1 for 2, chosen', '1 for 3'])
      expect(next?.sharding.worldSize).toBe(3)
      expect(owner.run.progress.selections).toBe(1)
    })

    it('makes none after the last epoch, and forgets it when the run goes back', async () => {
      const { owner, made } = watched({ totalEpochs: 2 })
      const { order } = await owner.planEpoch(request(0), forever, never)
      await owner.report(report(0, 0, 1, order, 5))
      await owner.rewind(0, 0)
      await owner.planEpoch(request(0), forever, never)
      await owner.report(report(0, 0, 1, order, 7))
      const last = await owner.planEpoch(request(1), forever, never)
      await owner.report(report(1, 0, 1, last.order))
      expect(made).toEqual(['0 for 1', '1 for 1, chosen', '0 for 1', '1 for 1, chosen'])
    })
  })

  it('lets go of the order of a plan that every rank has, and computes it again for who asks once more', async () => {
    const { owner, run } = ownerOf()
    const ask = (rank: number) => owner.planEpoch(request(0, { rank, worldSize: 2 }), forever, never)
    const [plan] = (await Promise.all([ask(0), ask(1)])) as [Plan, Plan]
    const { order, digest } = plan
    owner.served(plan, 0)
    owner.served(plan, 0)
    expect(plan.hasOrder).toBe(true)
    await ask(0)
    owner.served(plan, 1)
    expect(plan.hasOrder).toBe(true)
    owner.served(plan, 0)
    expect(plan.hasOrder).toBe(false)
    await owner.report(report(0, 1, 1, rankPositions(order, 1, plan.sharding, 0, 3)))
    await expect(owner.report(report(0, 1, 2, order.slice(0, 1)))).rejects.toMatchObject({ reason: 'INVALID_FIELD' })
    expect(plan.hasOrder).toBe(false)
    const again = await ask(1)
    expect([again.order, again.digest]).toEqual([order, digest])
    expect(run.progress.reports).toBe(1)
  })

  it('counts a report once, also when it comes again after the next plan', async () => {
    const { owner, run } = ownerOf()
    const { order } = await owner.planEpoch(request(0), forever, never)
    const once = report(0, 0, 1, order)
    expect(await owner.report(once)).toEqual({ duplicate: false, observations: 20, nonFinite: 0, repeats: 0 })
    expect((await owner.report(once)).duplicate).toBe(true)
    await owner.planEpoch(request(1, { lastSequence: 1 }), forever, never)
    expect((await owner.report(once)).duplicate).toBe(true)
    expect(run.progress).toMatchObject({ reports: 1, observations: 20 })
  })

  it('counts the first finite loss of a sample in an epoch; later ones are repeats, others non-finite', async () => {
    const { owner, run } = ownerOf()
    await owner.planEpoch(request(0), forever, never)
    const indices = Uint32Array.of(3, 3, 3, 3)
    const losses = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 2, 9)
    const ack = await owner.report({ generation: 0, epoch: 0, rank: 0, sequence: 1, indices, losses })
    expect(ack).toEqual({ duplicate: false, observations: 1, nonFinite: 2, repeats: 1 })
    expect(run.statistics.mean[3]).toBe(2)
  })

  it('keeps the last finite value of a metric, until the sample has its loss of the epoch', async () => {
    const { owner, run, events } = ownerOf({ warmupEpochs: 2, metrics: ['correct', 'margin'] })
    await owner.planEpoch(request(0), forever, never)
    const send = (epoch: number, sequence: number, losses: number[], metrics: Record<string, number[]>) =>
      owner.report({
        ...report(epoch, 0, sequence, new Uint32Array(losses.length).fill(3)),
        losses: Float32Array.from(losses),
        metrics: Object.entries(metrics).map(([name, values]) => ({ name, values: Float32Array.from(values) })),
      })
    const known = () => run.statistics.metrics.map((column) => column[3])
    await send(0, 1, [Number.NaN, Number.NaN], { margin: [1, Number.POSITIVE_INFINITY] })
    expect(known()).toEqual([Number.NaN, 1])
    const ack = await send(0, 2, [Number.NaN, 7, 8], { margin: [2, 3, 4], correct: [5, Number.NaN, 6] })
    expect(known()).toEqual([5, 3])
    expect(ack).toEqual({ duplicate: false, observations: 1, nonFinite: 1, repeats: 1 })
    await send(0, 3, [9], { correct: [9], margin: [9] })
    expect(known()).toEqual([5, 3])
    await owner.planEpoch(request(1, { lastSequence: 3 }), forever, never)
    await send(1, 1, [1], { correct: [0] })
    expect(known()).toEqual([0, 3])
    expect(
      events.map((event) => event.type === 'losses_reported' && event.metrics?.map(({ metric }) => metric)),
    ).toEqual([false, [1], [0, 1], [0, 1], false, [0]])
  })

  it('tells the last report of a rank in a plan when it is recorded, and not of a life that is over', async () => {
    const gates: ReturnType<typeof gateOf>[] = []
    const lease = leaseOf((event) => {
      if (event.type !== 'losses_reported') return Promise.resolve()
      const gate = gateOf()
      gates.push(gate)
      return gate.promise
    })
    const { owner } = ownerOf({}, inlinePlanner, lease)
    const plan = await owner.planEpoch(request(0), forever, never)
    expect(await owner.appliedSequence(plan, 0)).toBe(0)
    const reporting = owner.report(report(0, 0, 1, plan.order.slice(0, 5)))
    let told: number | undefined
    const telling = owner.appliedSequence(plan, 0).then((sequence) => {
      told = sequence
    })
    await new Promise(setImmediate)
    expect([gates.length, told]).toEqual([1, undefined])
    gates[0]?.resolve()
    await Promise.all([reporting, telling])
    expect(told).toBe(1)
    await owner.rewind(0, 1)
    await expect(owner.appliedSequence(plan, 0)).rejects.toMatchObject({ reason: 'STALE_GENERATION' })
  })

  it('takes a sample only from the rank that has it in its plan, so that the order of arrival decides nothing', async () => {
    const { owner } = ownerOf()
    const [plan] = await Promise.all(
      [0, 1].map((rank) => owner.planEpoch(request(0, { rank, worldSize: 2 }), forever, never)),
    )
    if (!plan) throw new Error('no plan')
    const { order, sharding } = plan
    const ofRank1 = rankPositions(order, 1, sharding, 0, 10)
    await expect(owner.report(report(0, 0, 1, ofRank1))).rejects.toThrow(/not in the plan of rank 0 for epoch 0/)
    expect((await owner.report(report(0, 1, 1, ofRank1))).observations).toBe(10)
  })

  it('finishes once, ends who waits, and takes no more', async () => {
    const { owner, events } = ownerOf()
    const { order } = await owner.planEpoch(request(0), forever, never)
    await owner.report(report(0, 0, 1, order))
    const waiting = owner.planEpoch(request(1, { worldSize: 2 }), forever, never)
    await owner.finish()
    await owner.finish()
    await expect(waiting).rejects.toMatchObject({ reason: 'RUN_FINISHED' })
    await expect(owner.planEpoch(request(1), forever, never)).rejects.toMatchObject({ reason: 'RUN_FINISHED' })
    await expect(owner.report(report(0, 0, 2, order))).rejects.toMatchObject({ reason: 'RUN_FINISHED' })
    expect((await owner.report(report(0, 0, 1, order))).duplicate).toBe(true)
    expect(events.filter(({ type }) => type === 'run_finished')).toHaveLength(1)
  })

  it('answers only when the record has the event, and nothing more once an append has failed', async () => {
    const pending: ReturnType<typeof gateOf>[] = []
    const lease = leaseOf(() => {
      const gate = gateOf()
      pending.push(gate)
      return gate.promise
    })
    const { owner } = ownerOf({}, inlinePlanner, lease)
    const answered: string[] = []
    const plan = owner.planEpoch(request(0), forever, never).then((made) => {
      answered.push('plan')
      return made
    })
    const again = owner.planEpoch(request(0), forever, never)
    await new Promise(setImmediate)
    expect(answered).toEqual([])
    pending[0]?.resolve()
    const { order } = await plan
    expect(await again).toBe(await plan)

    const acked = owner.report(report(0, 0, 1, order.slice(0, 5)))
    const repeated = owner.report(report(0, 0, 1, order.slice(0, 5)))
    pending[1]?.reject(new Error('disk on fire'))
    await expect(acked).rejects.toThrow('disk on fire')
    await expect(repeated).rejects.toThrow('disk on fire')
    await expect(owner.report(report(0, 0, 2, order.slice(5)))).rejects.toThrow('disk on fire')
    await expect(owner.planEpoch(request(0), forever, never)).rejects.toThrow('disk on fire')
    expect(pending).toHaveLength(2)
  })
})

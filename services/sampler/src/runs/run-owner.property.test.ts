import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { positionCount } from '../core/plans/sharding.js'
import { rankPositions } from '../core/plans/testing/rank-positions.js'
import { keptCount } from '../core/share.js'
import type { Plan } from './plan.js'
import { Run } from './run.js'
import { RunError } from './run-error.js'
import type { RunCreated, RunEvent } from './run-event.js'
import { RunOwner } from './run-owner.js'
import { type RequestedRunSpec, resolveRunSpec } from './run-spec.js'
import { leaseOf, ownerParts } from './testing/owner-parts.js'

/** Random calls, good and bad, at one run; after each the run is held against a model that knows only what was answered. */

const specs: fc.Arbitrary<RequestedRunSpec> = fc.record({
  sampleCount: fc.integer({ min: 4, max: 40 }),
  seed: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  pruneRate: fc.constantFrom(0, 0.3, 0.5, 0.7),
  pruneRateSchedule: fc.constantFrom([], [{ fromEpoch: 2, pruneRate: 0.6 }]),
  totalEpochs: fc.constantFrom(undefined, undefined, 8),
  selectionPeriod: fc.constantFrom(undefined, 1, 2),
  warmupEpochs: fc.constantFrom(undefined, 0, 1),
  tailEpochs: fc.constant(0),
  weights: fc.constantFrom(undefined, 'on', 'off'),
  weightCap: fc.constant(undefined),
  scoreSource: fc.constant('loss'),
  batchLossMomentum: fc.constant(undefined),
  scoreLeftOut: fc.constantFrom(undefined, undefined, true),
  shardMode: fc.constantFrom('pad', 'drop'),
  positionMultiple: fc.constantFrom(undefined, 2),
  nonFinite: fc.constantFrom('ignore', 'reject'),
  metrics: fc.constantFrom(['correct', 'margin'], ['margin', 'correct'], ['correct'], []),
  policy: fc.constantFrom<RequestedRunSpec['policy'][]>(
    { name: 'ucb', settings: {} },
    { name: 'backlog', settings: {} },
    { name: 'epsilon_greedy', settings: { epsilon: 0.5 } },
    { name: 'random', settings: {} },
    { name: 'static_random', settings: {} },
  ),
})

/** Mostly the first value: long sequences get somewhere only if most calls are good. */
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: fc.constantFrom(...others) })
const finite = fc.float({ min: 0, max: 9, noNaN: true })
const loss = fc.oneof(
  { weight: 30, arbitrary: finite },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY) },
)
const step = mostly(0, 1, -1)
const metric = fc.record({
  name: mostly('correct', 'margin', 'other'),
  values: fc.array(fc.oneof({ weight: 4, arbitrary: finite }, { weight: 1, arbitrary: fc.constant(Number.NaN) }), {
    minLength: 8,
    maxLength: 8,
  }),
})

const calls = fc.array(
  fc.oneof(
    {
      weight: 1,
      arbitrary: fc.record({
        call: fc.constant('plan' as const),
        epochStep: step,
        worldSize: mostly(2, 1, 3, 0, 50),
        missing: mostly(0, 1),
        lastStep: mostly(0, 1),
        startPosition: mostly(0, 1, 999),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        call: fc.constant('report' as const),
        epochStep: step,
        rank: fc.oneof(
          { weight: 9, arbitrary: fc.constantFrom(0, 1) },
          { weight: 1, arbitrary: fc.constantFrom(2, 9) },
        ),
        sequenceStep: step,
        from: fc.nat(8),
        losses: fc.array(loss, { minLength: 1, maxLength: 8 }),
        metrics: fc.oneof(
          { weight: 4, arbitrary: fc.array(metric, { maxLength: 0 }) },
          { weight: 3, arbitrary: fc.array(metric, { minLength: 1, maxLength: 2 }) },
        ),
        fault: mostly('none', 'index', 'stranger', 'length', 'empty', 'metric'),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ call: fc.constant('finish' as const), really: mostly(false, false, false, true) }),
    },
  ),
  { minLength: 1, maxLength: 80, size: 'max' },
)

type Call = typeof calls extends fc.Arbitrary<(infer T)[]> ? T : never

/** All that can be seen of a run. */
function snapshot(run: Run) {
  const { mean, variance, observations, metrics } = run.statistics
  const { plan } = run
  const facts = plan && [plan.epoch, plan.reason, plan.selectionEpoch, plan.sharding, plan.saving, [...plan.order]]
  const sequences = [0, 1, 2, 9].map((rank) => [
    run.lastSequence(run.nextEpoch - 1, rank),
    run.lastSequence(run.nextEpoch - 2, rank),
  ])
  const columns = [mean, variance, observations, ...metrics].map((column) => [...column])
  return JSON.stringify([run.progress, run.isFinished, facts, sequences, columns])
}

/** How often each thing happened, over all sequences: a generator that never gets far would prove nothing. */
const outcomes = { planned: 0, plannedAgain: 0, noPlan: 0, new: 0, duplicate: 0, refused: 0, metrics: 0, badMetrics: 0 }

class Harness {
  readonly events: RunEvent[] = []
  readonly created: RunCreated
  readonly run: Run
  readonly owner: RunOwner
  /** Reports acknowledged as new, by epoch and rank. */
  readonly acked = new Map<string, number>()
  readonly knownEpochs = new Set<number>()
  /** The last finite value of each metric and sample. */
  readonly metrics = new Map<string, Map<number, number>>()
  /** The epoch in which a sample was last trained on. */
  readonly trained = new Map<number, number>()
  /** Samples with a finite loss in the planned epoch. */
  readonly observed = new Set<number>()
  counted = 0

  constructor(requested: RequestedRunSpec) {
    this.created = { time: 0, runId: 'r', spec: resolveRunSpec(requested) }
    this.run = new Run(this.created)
    const lease = leaseOf(async (event: RunEvent) => void this.events.push(event))
    this.owner = new RunOwner(this.run, lease, ownerParts())
  }

  last(epoch: number, rank: number): number {
    return this.acked.get(`${epoch}/${rank}`) ?? 0
  }

  async make(call: Call): Promise<void> {
    const before = snapshot(this.run)
    const events = this.events.length
    try {
      if (call.call === 'plan') await this.plan(call)
      else if (call.call === 'report') await this.report(call)
      else if (call.really) await this.owner.finish()
    } catch (error) {
      expect(error).toBeInstanceOf(RunError)
      expect(snapshot(this.run)).toBe(before)
      expect(this.events.length).toBe(events)
    }
    this.checkInvariants()
  }

  async plan(call: Extract<Call, { call: 'plan' }>): Promise<void> {
    const { worldSize } = call
    const epoch = Math.max(0, this.run.nextEpoch + call.epochStep)
    const isNew = epoch === this.run.nextEpoch
    const ranks = Array.from({ length: Math.max(1, worldSize - call.missing) }, (_, rank) => rank)
    const late = isNew && epoch > 0 && call.lastStep > 0
    const results = await Promise.allSettled(
      ranks.map((rank) => {
        const lastSequence = epoch > 0 ? this.last(epoch - 1, rank) + call.lastStep : 0
        const request = { generation: 0, epoch, rank, worldSize, lastSequence, startPosition: call.startPosition }
        return this.owner.planEpoch(request, 0, new AbortController().signal)
      }),
    )
    const plans = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const refusal = results.find((result) => result.status === 'rejected')
    outcomes[plans.length > 0 ? (isNew ? 'planned' : 'plannedAgain') : 'noPlan']++
    expect(plans.length > 0).toBe(this.expectPlan(call, epoch))
    if (plans.length === 0) throw refusal?.reason
    // All ranks or none, the same plan, never without every rank and every report.
    expect(plans.length).toBe(ranks.length)
    expect(new Set(plans).size).toBe(1)
    if (isNew) {
      expect(ranks.length).toBe(worldSize)
      expect(late).toBe(false)
    }
    if (isNew) this.observed.clear()
    this.knownEpochs.add(epoch)
    this.checkPlan(plans[0] as Plan, worldSize)
  }

  expectPlan(call: Extract<Call, { call: 'plan' }>, epoch: number): boolean {
    const { plan, spec, isFinished } = this.run
    const { worldSize, missing, lastStep, startPosition } = call
    // The run may have been planned by this very call: then its plan is the one that was asked for.
    if (isFinished || worldSize < 1 || epoch >= (spec.totalEpochs ?? Number.POSITIVE_INFINITY)) return false
    if (plan?.epoch === epoch && this.knownEpochs.has(epoch)) {
      const positions = positionCount(plan.order.length, plan.sharding)
      return worldSize === plan.sharding.worldSize && startPosition <= positions
    }
    if (epoch !== this.knownEpochs.size || (missing > 0 && worldSize > 1) || (epoch > 0 && lastStep > 0)) return false
    const isEverything = epoch < spec.warmupEpochs
    const rate = epoch >= 2 && spec.pruneRateSchedule.length > 0 ? 0.6 : spec.pruneRate
    const kept = isEverything ? spec.sampleCount : keptCount(rate, spec.sampleCount)
    const positions = positionCount(kept, { ...spec, worldSize })
    return positions > 0 && startPosition <= positions
  }

  checkPlan(plan: Plan, worldSize: number): void {
    const { spec } = this.run
    expect(plan.sharding.worldSize).toBe(worldSize)
    expect(new Set(plan.order).size).toBe(plan.order.length)
    expect(Math.max(...plan.order)).toBeLessThan(spec.sampleCount)
    const rate = plan.epoch >= 2 && spec.pruneRateSchedule.length > 0 ? 0.6 : spec.pruneRate
    const isEverything = plan.epoch < spec.warmupEpochs
    expect(plan.order.length).toBe(isEverything ? spec.sampleCount : keptCount(rate, spec.sampleCount))
  }

  async report(call: Extract<Call, { call: 'report' }>): Promise<void> {
    const { plan, spec } = this.run
    const epoch = Math.max(0, this.run.nextEpoch - 1 + call.epochStep)
    const sequence = Math.max(0, this.last(epoch, call.rank) + 1 + call.sequenceStep)
    const indices = this.indices(call, plan)
    const losses = Float32Array.from(call.losses.slice(0, Math.max(1, indices.length)))
    const metrics = call.metrics.map(({ name, values }) => ({
      name,
      values: Float32Array.from(values.slice(0, indices.length + (call.fault === 'metric' ? 1 : 0))),
    }))
    const report = {
      generation: 0,
      epoch,
      rank: call.rank,
      sequence,
      indices,
      losses: call.fault === 'length' ? new Float32Array(losses.length + 1) : losses,
      ...(metrics.length > 0 ? { metrics } : {}),
    }
    const hasGoodMetrics = this.areGood(metrics, indices)
    const beforeMetrics = this.expectReport(report, plan, call.fault, spec.nonFinite)
    const expected = beforeMetrics === 'new' && !hasGoodMetrics ? 'refused' : beforeMetrics
    if (expected !== beforeMetrics) outcomes.badMetrics++
    const refusal = await this.owner.report(report).catch((error: unknown) => ({ error }))
    const outcome = 'error' in refusal ? 'refused' : refusal.duplicate ? 'duplicate' : 'new'
    expect(outcome).toBe(expected)
    outcomes[outcome]++
    if ('error' in refusal) throw refusal.error
    if (refusal.duplicate) return
    const ack = refusal
    expect(ack.observations + ack.nonFinite + ack.repeats).toBe(indices.length)
    this.acked.set(`${epoch}/${call.rank}`, sequence)
    this.counted += ack.observations
    if (metrics.length > 0) outcomes.metrics++
    indices.forEach((index, i) => {
      if (this.observed.has(index)) return
      for (const { name, values } of metrics) {
        const known = this.metrics.get(name) ?? new Map<number, number>()
        if (Number.isFinite(values[i])) this.metrics.set(name, known.set(index, values[i] as number))
      }
      if (!Number.isFinite(losses[i])) return
      this.observed.add(index)
      this.trained.set(index, epoch)
    })
  }

  areGood(metrics: readonly { name: string; values: Float32Array }[], indices: Uint32Array): boolean {
    const names = metrics.map(({ name }) => name)
    const areKnown = names.every((name) => this.run.spec.metrics.includes(name))
    return (
      areKnown &&
      new Set(names).size === names.length &&
      metrics.every(({ values }) => values.length === indices.length)
    )
  }

  indices(call: Extract<Call, { call: 'report' }>, plan: Plan | undefined): Uint32Array {
    const { sampleCount } = this.run.spec
    if (call.fault === 'empty' || !plan) return new Uint32Array(0)
    if (call.fault === 'index') return Uint32Array.from(call.losses, () => sampleCount)
    const rank = call.rank % plan.sharding.worldSize
    const asRank = call.fault === 'stranger' ? (rank + 1) % plan.sharding.worldSize : rank
    const own = rankPositions(
      plan.order,
      asRank,
      plan.sharding,
      0,
      Math.min(9, Math.ceil(plan.order.length / plan.sharding.worldSize)),
    )
    return Uint32Array.from(call.losses, (_, i) => own[(call.from + i) % own.length] as number)
  }

  expectReport(
    { epoch, rank, sequence, losses }: { epoch: number; rank: number; sequence: number; losses: Float32Array },
    plan: Plan | undefined,
    fault: string,
    nonFinite: string,
  ): 'new' | 'duplicate' | 'refused' {
    const isKnown = plan !== undefined && (epoch === plan.epoch || epoch === plan.epoch - 1)
    if (sequence === 0) return 'refused'
    if (isKnown && sequence <= this.last(epoch, rank)) return 'duplicate'
    if (!plan || this.run.isFinished || epoch !== plan.epoch || rank >= plan.sharding.worldSize) return 'refused'
    if (sequence !== this.last(epoch, rank) + 1) return 'refused'
    if (fault === 'stranger' && plan.sharding.worldSize === 1) return this.byLosses(losses, nonFinite)
    return fault === 'none' || fault === 'metric' ? this.byLosses(losses, nonFinite) : 'refused'
  }

  byLosses(losses: Float32Array, nonFinite: string): 'new' | 'refused' {
    return nonFinite === 'reject' && !losses.every(Number.isFinite) ? 'refused' : 'new'
  }

  checkInvariants(): void {
    const { progress, statistics, spec, saving } = this.run
    expect(progress.observations).toBe(this.counted)
    expect(progress.reports).toBe([...this.acked.values()].reduce((sum, count) => sum + count, 0))
    expect(statistics.observations.reduce((sum, count) => sum + count, 0)).toBe(this.counted)
    const known = spec.metrics.map((name) => this.metrics.get(name))
    if (spec.policy.name === 'backlog') known.push(this.trained)
    const columns = known.map((values) =>
      Array.from({ length: spec.sampleCount }, (_, index) => values?.get(index) ?? Number.NaN),
    )
    expect(statistics.metrics.map((column) => [...column])).toEqual(columns)
    expect(Math.max(...statistics.observations)).toBeLessThanOrEqual(progress.epochsPlanned)
    expect(saving).toBeGreaterThanOrEqual(0)
    expect(saving).toBeLessThan(1)
    expect(progress.samplesPlanned).toBeLessThanOrEqual(progress.epochsPlanned * spec.sampleCount)
  }

  /** A run that is made anew from its events alone. */
  replay(): Run {
    const run = new Run(this.created)
    for (const event of this.events) run.apply(event)
    return run
  }
}

describe('a run under random calls', () => {
  it('keeps its invariants, changes nothing on a refusal, and is what its events make it', async () => {
    await fc.assert(
      fc.asyncProperty(specs, calls, async (requested, sequence) => {
        const harness = new Harness(requested)
        for (const call of sequence) await harness.make(call)
        expect(snapshot(harness.replay())).toBe(snapshot(harness.run))
      }),
      { numRuns: 300 },
    )
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(20)
  }, 60_000)
})

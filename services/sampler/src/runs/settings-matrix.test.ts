import { describe, expect, it } from 'vitest'
import { ruleOfEpoch } from '../core/plans/epoch-rule.js'
import { countIsOwn, type PolicyName, pruneRateProblem, resolvePolicy } from '../core/policies/registry.js'
import { ByteReader } from './image/byte-reader.js'
import { readImageBody, readImageHeader } from './image/read-image.js'
import { imageOf } from './image/write-image.js'
import { Run } from './run.js'
import { RunOwner } from './run-owner.js'
import { columnNames, type RequestedRunSpec, resolveRunSpec } from './run-spec.js'
import { leaseOf, ownerParts } from './testing/owner-parts.js'
import { requestedSpec } from './testing/requested-spec.js'
import { scorePositions } from './testing/score-positions.js'
import { trainEpoch } from './testing/trained-run.js'

/** The settings that are no policy's own, with every policy. */

const EPOCHS = 8
const SAMPLES = 83

const policies: Record<PolicyName, Readonly<Record<string, unknown>>> = {
  full: {},
  static_random: {},
  random: {},
  epsilon_greedy: { epsilon: 0.3 },
  ucb: {},
  order_dp: {},
  info_batch: { r: 0.8 },
  rs2: {},
  importance: {},
  selective_backprop: {},
  custom_score: { draw: true },
  seta: {},
  repb: {},
  kakurenbo: {},
  ies: { tau: 1 },
  static_score: { metric: 'el2n', observeEpochs: 1 },
  backlog: { alpha: 0.5 },
}

const settings: Record<string, Partial<RequestedRunSpec>> = {
  'by default': {},
  'with a long warm-up and a tail': { warmupEpochs: 2, tailEpochs: 2 },
  'with a schedule of rates': { pruneRateSchedule: [{ fromEpoch: 4, pruneRate: 0.7 }] },
  'selecting every other epoch': { selectionPeriod: 2 },
  'with weights and a cap': { weights: 'on', weightCap: 1.5 },
  'without weights': { weights: 'off' },
  'by the losses of batches': { scoreSource: 'batch_loss' },
  'scoring what is left out': { scoreLeftOut: true },
  'with metrics of its own': { metrics: ['margin'] },
}

/** What is asked for, as far as the policy takes a prune rate. */
function specOf(name: PolicyName, given: Partial<RequestedRunSpec>) {
  const { choice } = resolvePolicy(name, policies[name])
  const takesRate = pruneRateProblem(choice, 0.5) === undefined
  const rates = takesRate ? {} : { pruneRate: 0, pruneRateSchedule: [] }
  const asked = { sampleCount: SAMPLES, seed: 5n, totalEpochs: EPOCHS, tailEpochs: undefined, ...given, ...rates }
  return resolveRunSpec(requestedSpec({ ...asked, policy: { name, settings: policies[name] } }))
}

const ownerOf = (run: Run) =>
  new RunOwner(
    run,
    leaseOf(async () => undefined),
    ownerParts(),
  )

/** The run as it comes back from its image. */
async function restored(run: Run): Promise<Run> {
  const reader = new ByteReader(imageOf(run))
  return readImageBody(reader, await readImageHeader(reader))
}

/** What an epoch's plan is, to be compared. */
const shown = ({ plan, saving, progress, selections }: Run) => ({
  order: [...(plan?.order ?? [])],
  weights: plan?.weights && [...plan.weights],
  scored: plan && [0, 1].map((rank) => scorePositions(plan, rank)),
  factor: plan?.learningRateFactor,
  saving,
  progress,
  selections,
})

describe.each(Object.keys(policies) as PolicyName[])('%s', (name) => {
  it.each(Object.keys(settings))('%s', async (settingsName) => {
    const spec = specOf(name, settings[settingsName] ?? {})
    const owner = ownerOf(new Run({ time: 0, runId: 'r', spec }))
    let twin = ownerOf(new Run({ time: 0, runId: 'r', spec }))
    const { run } = owner
    let planned = 0
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      // The twin is restarted before each epoch.
      twin = ownerOf(await restored(twin.run))
      await trainEpoch(owner, epoch, { worldSize: 2 })
      await trainEpoch(twin, epoch, { worldSize: 2 })
      expect(shown(twin.run)).toEqual(shown(run))

      const { plan } = run
      const { reason, keptCount, pruneRate } = ruleOfEpoch(spec, epoch)
      if (!plan) throw new Error('no plan')
      const isAll = reason === 'warmup' || reason === 'tail'
      expect(plan.reason).toBe(reason)
      if (isAll) expect([plan.keptCount, plan.weights, plan.scoreCount(0)]).toEqual([SAMPLES, undefined, 0])
      else if (countIsOwn(spec.policy, pruneRate)) expect(plan.keptCount).toBeGreaterThan(1)
      else expect(plan.keptCount).toBe(keptCount)
      expect(new Set(plan.order).size).toBe(plan.keptCount)

      expect(plan.weights !== undefined).toBe(!isAll && spec.weights === 'on')
      const cap = spec.weightCap ?? Number.POSITIVE_INFINITY
      for (const weight of plan.weights ?? []) expect(weight >= 1 && weight <= cap).toBe(true)

      const isSelectedNext = epoch + 1 < EPOCHS && ruleOfEpoch(spec, epoch + 1).reason === 'selected'
      const leftOut = SAMPLES - plan.keptCount
      const toScore = !isAll && spec.scoreLeftOut && isSelectedNext ? leftOut : 0
      expect(plan.scoreCount(0) + plan.scoreCount(1)).toBe(toScore)

      planned += plan.keptCount
      expect(run.saving).toBeCloseTo(1 - planned / ((epoch + 1) * SAMPLES), 12)
    }
    const held = run.selections
    expect(held).toHaveLength(run.progress.selections)
    const { timesKept } = run.statistics
    expect(held.at(-1)?.neverCount ?? 0).toBe(held.length > 0 ? timesKept.filter((times) => times === 0).length : 0)
    expect(run.statistics.metrics).toHaveLength(columnNames(spec).length)
  })
})

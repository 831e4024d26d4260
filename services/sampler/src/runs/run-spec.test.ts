import { describe, expect, it } from 'vitest'
import { RunError } from './run-error.js'
import { type RequestedRunSpec, resolveRunSpec } from './run-spec.js'
import { requestedSpec } from './testing/requested-spec.js'

const requested = requestedSpec({ sampleCount: 100 })

const repb = { name: 'repb', settings: {} } as const
const observing = (observeEpochs: number) => ({ name: 'static_score', settings: { observeEpochs } }) as const
const scoresFrom = (...runs: string[]) => ({ name: 'static_score', settings: { scoresFrom: runs } }) as const

function violations(given: Partial<RequestedRunSpec>): Record<string, string> {
  try {
    resolveRunSpec({ ...requested, ...given })
  } catch (error) {
    if (error instanceof RunError) {
      return Object.fromEntries(error.violations.map(({ field, description }) => [field, description]))
    }
    throw error
  }
  return {}
}

describe('resolveRunSpec', () => {
  it('fills in every default', () => {
    expect(resolveRunSpec(requested)).toEqual({
      ...requested,
      selectionPeriod: 10,
      warmupEpochs: 1,
      positionMultiple: 1,
      weights: 'off',
      scoreLeftOut: false,
      policy: { name: 'ucb', c: 1, alpha: 0.8, initial: 'first_loss' },
    })
  })

  it.each([
    [1, 1],
    [29, 1],
    [30, 2],
    [200, 10],
  ])('of %i epochs selects every %i', (totalEpochs, selectionPeriod) => {
    expect(resolveRunSpec({ ...requested, totalEpochs }).selectionPeriod).toBe(selectionPeriod)
  })

  it.each<[string, Partial<RequestedRunSpec>, string]>([
    ['spec.sample_count', { sampleCount: 0 }, '0'],
    ['spec.prune_rate', { pruneRate: 1 }, '1'],
    ['spec.prune_rate', { pruneRate: -0.1 }, '-0.1'],
    ['spec.prune_rate', { pruneRate: Number.NaN }, 'NaN'],
    ['spec.prune_rate', { pruneRate: 0.999 }, 'none of 100'],
    ['spec.total_epochs', { totalEpochs: 0 }, '0'],
    ['spec.selection_period', { selectionPeriod: 0 }, '0'],
    ['spec.tail_epochs', { tailEpochs: 2 }, 'total_epochs is not set'],
    ['spec.tail_epochs', { tailEpochs: 2, totalEpochs: 2 }, 'exceed spec.total_epochs 2'],
    ['spec.warmup_epochs', { warmupEpochs: 5, totalEpochs: 3 }, 'exceed spec.total_epochs 3'],
    ['spec.position_multiple', { positionMultiple: 0 }, '0'],
    ['spec.position_multiple', { positionMultiple: 2 ** 21 }, '2097152'],
    ['spec.ucb.c', { policy: { name: 'ucb', settings: { c: -1 } } }, '-1'],
    ['spec.metrics', { metrics: [...'abcdefghi'] }, '9 names'],
    ['spec.metrics[1]', { metrics: ['a', '_b'] }, '"_b"'],
    ['spec.metrics[0]', { metrics: ['x'.repeat(33)] }, '31 more'],
    ['spec.metrics[2]', { metrics: ['a', 'b', 'a'] }, 'as spec.metrics[0] is'],
    ['spec.policy', { policy: undefined }, 'not set'],
    ['spec.prune_rate', { policy: { name: 'full', settings: {} } }, 'full keeps everything'],
    [
      'spec.prune_rate_schedule',
      { pruneRateSchedule: Array.from({ length: 1001 }, (_, fromEpoch) => ({ fromEpoch, pruneRate: 0.5 })) },
      '1001 entries',
    ],
    [
      'spec.prune_rate_schedule[0].from_epoch',
      { totalEpochs: 5, pruneRateSchedule: [{ fromEpoch: 5, pruneRate: 0.5 }] },
      'below spec.total_epochs 5',
    ],
    ['spec.prune_rate_schedule[0].prune_rate', { pruneRateSchedule: [{ fromEpoch: 0, pruneRate: 2 }] }, '2'],
    [
      'spec.prune_rate_schedule[1].from_epoch',
      {
        pruneRateSchedule: [
          { fromEpoch: 4, pruneRate: 0.1 },
          { fromEpoch: 4, pruneRate: 0.2 },
        ],
      },
      'above 4',
    ],
    ['spec.metrics[0]', { policy: repb, pruneRate: 0, metrics: ['repb_above'] }, 'which the policy has for itself'],
    ['spec.prune_rate', { policy: repb }, '0.5, but policy repb leaves out'],
    ['spec.prune_rate', { policy: { name: 'info_batch', settings: { r: 0.4 } } }, 'at most 0.4'],
    ['spec.warmup_epochs', { policy: observing(4), warmupEpochs: 3 }, 'observes 4 epochs; leave it unset'],
    ['spec.warmup_epochs', { policy: observing(4), totalEpochs: 3 }, 'lower observe_epochs'],
    ['spec.static_score.observe_epochs', { policy: observing(1.5) }, 'a whole number'],
    ['spec.static_score.scores_from[1]', { policy: scoresFrom('a', '/b') }, '"/b", which cannot be the name of a run'],
    ['spec.static_score.scores_from[1]', { policy: scoresFrom('a', 'a') }, 'give each run once'],
    ['spec.static_score.scores_from', { policy: scoresFrom(...'a'.repeat(65)) }, '65 runs'],
    ['spec.seta.groups', { policy: { name: 'seta', settings: { groups: 2.5 } }, pruneRate: 0 }, '2.5'],
    ['spec.weight_cap', { weightCap: 3 }, 'has no weights'],
    ['spec.weight_cap', { weights: 'on', weightCap: 0.9 }, 'at least 1'],
    ['spec.batch_loss_momentum', { batchLossMomentum: 0.5 }, 'is LOSS'],
    ['spec.batch_loss_momentum', { scoreSource: 'batch_loss', batchLossMomentum: 1 }, 'below 1'],
  ])('refuses a bad %s: %j', (field, given, text) => {
    expect(violations(given)[field]).toContain(text)
  })

  it("takes a policy's own defaults where a setting is not given, and the given one where it is", () => {
    const asked = { ...requested, tailEpochs: undefined, totalEpochs: 40 }
    const infoBatch = { name: 'info_batch', settings: {} } as const
    const { policy: _, ...settings } = resolveRunSpec({ ...asked, policy: infoBatch })
    expect(settings).toMatchObject({ selectionPeriod: 1, tailEpochs: 5, weights: 'on', scoreLeftOut: false })
    const given = { selectionPeriod: 3, tailEpochs: 0, weights: 'off', scoreLeftOut: true } as const
    expect(resolveRunSpec({ ...asked, ...given, policy: infoBatch })).toMatchObject(given)
    const kakurenbo = { name: 'kakurenbo', settings: {} } as const
    expect(resolveRunSpec({ ...asked, policy: kakurenbo, metrics: ['confidence'] })).toMatchObject({
      metrics: ['confidence', 'correct'],
      scoreLeftOut: true,
    })
    expect(resolveRunSpec({ ...asked, policy: observing(7) })).toMatchObject({ warmupEpochs: 7, metrics: ['correct'] })
  })

  it('leads no one astray: without samples it does not say what a prune rate keeps of them', () => {
    expect(Object.keys(violations({ sampleCount: 0 }))).toEqual(['spec.sample_count'])
  })

  it('names every bad field at once', () => {
    expect(Object.keys(violations({ sampleCount: 0, pruneRate: 7, selectionPeriod: 0 }))).toEqual([
      'spec.sample_count',
      'spec.prune_rate',
      'spec.selection_period',
    ])
  })
})

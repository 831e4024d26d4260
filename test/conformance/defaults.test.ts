import { describe, expect, test } from 'vitest'
import { runSettings } from './defaults.mjs'
import { OracleRun, type SpecJson } from './oracle.mjs'

const ON = 'WEIGHTS_MODE_ON'
const base = { sampleCount: 40, seed: '5', totalEpochs: 24 } as const
const STATIC = { metric: 'STATIC_METRIC_EL2N', observeEpochs: 4 } as const

/** Plans of a run, with losses and metrics that depend on the sample and the epoch alone. */
function plansOf(spec: SpecJson) {
  const run = new OracleRun(spec)
  return Array.from({ length: 24 }, (_, epoch) => {
    const plan = run.planEpoch(1)
    const reported = [...plan.order, ...plan.scoring.flat()]
    const losses = reported.map((index) => Math.fround(((index * 7 + epoch * 5) % 11) / (epoch + 3)))
    const ones = reported.map(() => 1)
    run.report(reported, spec.scoreSource ? losses.slice(0, 1) : losses, {
      correct: ones,
      confidence: ones,
      score: losses,
      el2n: losses,
    })
    return plan
  })
}

/** A run of each policy without settings, and the same with the settings that it then has. */
const stated: [string, SpecJson, Partial<SpecJson>][] = [
  ['info_batch', { ...base, infoBatch: {} }, { selectionPeriod: 1, tailEpochs: 3, weights: ON, infoBatch: { r: 0.5 } }],
  ['rs2', { ...base, pruneRate: 0.5, rs2: {} }, { selectionPeriod: 1, weights: 'WEIGHTS_MODE_OFF' }],
  ['custom_score', { ...base, pruneRate: 0.5, customScore: {} }, { selectionPeriod: 1, customScore: { draw: false } }],
  ['seta', { ...base, seta: {} }, { selectionPeriod: 1, seta: { dropRate: 0.1, groups: 5, window: 0.9 } }],
  ['repb', { ...base, repb: {} }, { selectionPeriod: 1, weights: ON, repb: { rho: 0.5 } }],
  [
    'kakurenbo',
    { ...base, pruneRate: 0.5, kakurenbo: {} },
    { selectionPeriod: 1, scoreLeftOut: true, kakurenbo: { confidence: 0.7 } },
  ],
  ['ies', { ...base, ies: {} }, { selectionPeriod: 1, scoreLeftOut: true, ies: { tau: 0.001 } }],
  ['static_score', { ...base, pruneRate: 0.5, staticScore: STATIC }, { selectionPeriod: 1, warmupEpochs: 4 }],
  ['ucb', { ...base, pruneRate: 0.5, ucb: {} }, { tailEpochs: 0, warmupEpochs: 1, scoreLeftOut: false }],
  [
    'ucb from batches',
    { ...base, pruneRate: 0.5, scoreSource: 'SCORE_SOURCE_BATCH_LOSS', ucb: {} },
    { batchLossMomentum: 0.7 },
  ],
]

describe('settings that are unset', () => {
  test.each(stated)('of %s are those that are stated', (_, unset, settings) => {
    expect(plansOf(unset)).toEqual(plansOf({ ...unset, ...settings }))
  })

  const policies: [Partial<SpecJson>, ReturnType<typeof runSettings>][] = [
    [{ random: {} }, { selectionPeriod: 10, warmupEpochs: 1, tailEpochs: 0, weights: false, scoreLeftOut: false }],
    [{ infoBatch: {} }, { selectionPeriod: 1, warmupEpochs: 1, tailEpochs: 0, weights: true, scoreLeftOut: false }],
    [{ importance: {} }, { selectionPeriod: 10, warmupEpochs: 1, tailEpochs: 0, weights: true, scoreLeftOut: false }],
    [
      { selectiveBackprop: {} },
      { selectionPeriod: 10, warmupEpochs: 1, tailEpochs: 0, weights: false, scoreLeftOut: false },
    ],
    [
      { customScore: { draw: true } },
      { selectionPeriod: 10, warmupEpochs: 1, tailEpochs: 0, weights: true, scoreLeftOut: false },
    ],
    [
      { staticScore: { metric: 'STATIC_METRIC_EL2N' } },
      { selectionPeriod: 10, warmupEpochs: 20, tailEpochs: 0, weights: false, scoreLeftOut: false },
    ],
  ]

  test.each(policies)('of %j, where total_epochs is not known', (policy, expected) => {
    expect(runSettings({ sampleCount: 8, ...policy })).toEqual(expected)
  })

  test.each([
    [3, 0],
    [4, 1],
    [11, 1],
    [12, 2],
    [200, 25],
  ])('the tail of info_batch in %d epochs is %d', (totalEpochs, expected) => {
    expect(runSettings({ sampleCount: 8, totalEpochs, infoBatch: {} }).tailEpochs).toBe(expected)
  })

  test('settings of the run go before those of the policy, also where they are 0 or off', () => {
    const set = { selectionPeriod: 2, warmupEpochs: 0, tailEpochs: 0, scoreLeftOut: false } as const
    const weights = 'WEIGHTS_MODE_OFF'
    expect(runSettings({ sampleCount: 8, totalEpochs: 80, ...set, weights, infoBatch: {} })).toEqual({
      ...set,
      weights: false,
    })
    expect(runSettings({ sampleCount: 8, ...set, weights, ies: {} })).toEqual({ ...set, weights: false })
  })
})

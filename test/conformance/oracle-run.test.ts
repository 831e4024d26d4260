import { describe, expect, test } from 'vitest'
import { batchLoss, OracleRun, type SpecJson } from './oracle.mjs'

const range = (length: number) => Array.from({ length }, (_, index) => index)

/** A run whose warm-up epoch is planned. */
function runOf(spec: Omit<SpecJson, 'sampleCount'>, sampleCount = 4): OracleRun {
  const run = new OracleRun({ sampleCount, selectionPeriod: 1, ...spec })
  run.planEpoch(1)
  return run
}

describe('losses of batches', () => {
  test('the first is the mean itself, later ones move, each step in f32', () => {
    expect(batchLoss(undefined, 3, 0.7)).toBe(3)
    expect(batchLoss(4, 2, 0.5)).toBe(3)
    expect(batchLoss(4, 2, 0)).toBe(2)
    const a = Math.fround(0.7)
    expect(batchLoss(1.5, 2.5, 0.7)).toBe(Math.fround(Math.fround(a * 1.5) + Math.fround(Math.fround(1 - a) * 2.5)))
  })

  test('what is moved is what the statistics and the policies get', () => {
    const run = runOf({ scoreSource: 'SCORE_SOURCE_BATCH_LOSS', batchLossMomentum: 0.5, ucb: { alpha: 0.5 } })
    run.report([0, 1], [4])
    run.planEpoch(1)
    run.report([0], [2])
    expect(run.statistics[0]).toEqual({ mean: 3.5, variance: 0.5, seen: true }) // 4, then 3
    expect(run.statistics[1]).toEqual({ mean: 4, variance: 0, seen: true })
  })

  test('repb compares the moved losses with their own mean', () => {
    const run = runOf({ scoreSource: 'SCORE_SOURCE_BATCH_LOSS', batchLossMomentum: 0.5, repb: { rho: 1 - 2 ** -32 } })
    run.report([0, 1], [8])
    run.report([2, 3], [1])
    run.planEpoch(1)
    run.report([0, 1, 2, 3], [2]) // moved to 5, 5, 1.5, 1.5
    expect(run.planEpoch(1).keptSet).toEqual([0, 1])
  })
})

describe('metrics', () => {
  test('a value counts until its sample has had a loss in this epoch, if it is finite', () => {
    const run = runOf({ pruneRate: 0.75, customScore: {} })
    run.report([0, 1, 2, 3], [1, 1, 1, Number.NaN], { score: [5, 6, 7, 8] })
    run.report([3, 2], [1, 1], { score: [Number.NaN, 9] })
    expect(run.planEpoch(1).keptSet).toEqual([3]) // 5, 6, 7, 8
    run.report([3], [1], { score: [6.5] })
    expect(run.planEpoch(1).keptSet).toEqual([2])
  })
})

describe('the mean of a report', () => {
  test('has no part of repeats and of what is not finite', () => {
    const run = runOf({ repb: { rho: 1 - 2 ** -32 } })
    run.report([0, 1, 0, 2, 3], [1, 3, 900, Number.POSITIVE_INFINITY, 2])
    expect(run.planEpoch(1).keptSet).toEqual([1, 2, 3]) // the mean is 2; sample 2 is unseen
  })
})

describe('weights', () => {
  test('are at most the cap, in f32, and only where they are on', () => {
    const kept = (spec: Partial<SpecJson>) => {
      const run = runOf({ pruneRate: 0.75, rs2: {}, ...spec }, 4)
      return run.planEpoch(1).weights
    }
    expect(kept({})).toBeUndefined()
    expect(kept({ weights: 'WEIGHTS_MODE_ON' })).toEqual([4])
    expect(kept({ weights: 'WEIGHTS_MODE_ON', weightCap: 2.3 })).toEqual([Math.fround(2.3)])
    expect(kept({ weights: 'WEIGHTS_MODE_ON', weightCap: 5 })).toEqual([4])
  })

  test('stay with a kept set that is used again, and are none where everything is trained on', () => {
    const run = new OracleRun({
      sampleCount: 4,
      pruneRate: 0.75,
      totalEpochs: 4,
      selectionPeriod: 2,
      tailEpochs: 1,
      weights: 'WEIGHTS_MODE_ON',
      rs2: {},
    })
    expect(range(4).map(() => run.planEpoch(1).weights)).toEqual([undefined, [4], [4], undefined])
  })
})

describe('what is left out', () => {
  test('is scored in the epochs before a selection, and counted', () => {
    const spec: SpecJson = {
      sampleCount: 8,
      pruneRate: 0.5,
      totalEpochs: 8,
      selectionPeriod: 2,
      tailEpochs: 1,
      scoreLeftOut: true,
      ucb: {},
    }
    const run = new OracleRun(spec)
    const leftOut = range(8).map(() => {
      const { keptSet, scoring } = run.planEpoch(1)
      const scored = scoring.flat()
      run.report(
        scored,
        scored.map(() => 1),
      )
      if (scored.length > 0) expect([...keptSet, ...scored].sort((a, b) => a - b)).toEqual(range(8))
      return scored.length
    })
    expect(leftOut).toEqual([0, 0, 4, 0, 4, 0, 0, 0]) // 1, 3 and 5 select, 7 is the tail
    expect(run.progress).toMatchObject({ scored: 8, observations: 8 })
    expect(new OracleRun({ ...spec, scoreLeftOut: false }).progress).not.toHaveProperty('scored')
  })

  test('is not scored in the last epoch', () => {
    const run = new OracleRun({ sampleCount: 8, pruneRate: 0.5, totalEpochs: 3, kakurenbo: {} })
    const sure = { correct: range(8).map(() => 1), confidence: range(8).map(() => 1) }
    const leftOut = range(3).map(() => {
      const plan = run.planEpoch(1)
      run.report(range(8), range(8), sure)
      return plan.scoring.flat()
    })
    expect(leftOut).toEqual([[], [0, 1, 2], []]) // a share of 0.4 of 8
  })

  test('is dealt to the ranks in ascending order', () => {
    const scoringOf = (worldSize: number, pruneRate = 0.5) => {
      const run = new OracleRun({ sampleCount: 8, pruneRate, selectionPeriod: 1, scoreLeftOut: true, ucb: {} })
      run.planEpoch(1)
      run.report(range(8), range(8))
      return run.planEpoch(worldSize).scoring
    }
    expect(scoringOf(1)).toEqual([[0, 1, 2, 3]])
    expect(scoringOf(3)).toEqual([[0, 3], [1], [2]])
    expect(scoringOf(5, 0.3)).toEqual([[0], [1], [2], [], []])
    expect(new OracleRun({ sampleCount: 8, ucb: {}, scoreLeftOut: true }).planEpoch(2).scoring).toEqual([[], []])
  })
})

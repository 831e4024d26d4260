import { describe, expect, test } from 'vitest'
import { choose, PURPOSE, share, stream } from './draws.mjs'
import { OracleRun, type SpecJson } from './oracle.mjs'
import { forgettingOf, groupsOf, hiddenShare, type RuleInput, rules, type Sample, secondDifferences } from './rules.mjs'

const range = (length: number) => Array.from({ length }, (_, index) => index)

/** A sample with these losses in epochs 0, 1, 2, ..., none of them below its report's mean. */
function sampleOf(losses: number[], rest: Partial<Sample> = {}): Sample {
  return {
    mean: losses.at(-1) ?? 0,
    variance: 0,
    seen: losses.length > 0,
    last: losses.at(-1) ?? 0,
    timesKept: 0,
    metrics: {},
    observations: losses.map((loss, epoch) => ({ epoch, loss, reportMean: loss, metrics: {}, trained: true })),
    ...rest,
  }
}

const samplesOf = (losses: (number | undefined)[]) => losses.map((loss) => sampleOf(loss === undefined ? [] : [loss]))

const openAt =
  (epoch: number) =>
  (purpose: keyof typeof PURPOSE, at = epoch) =>
    stream(7, at, PURPOSE[purpose])

function inputOf(samples: Sample[], rest: Partial<RuleInput> = {}): RuleInput {
  const { pruneRate = 0, epoch = 1 } = rest
  return {
    N: samples.length,
    k: share(1 - pruneRate, samples.length),
    pruneRate,
    epoch,
    totalEpochs: undefined,
    selectionPeriod: 1,
    selections: 0,
    settings: {},
    samples,
    open: openAt(epoch),
    ...rest,
  }
}

describe('info_batch', () => {
  test('leaves out a share of what is below the mean of the seen, and weights the rest of it up', () => {
    // Mean of 1, 2, 3, 4, 10 = 4: candidates are 0, 2 and 3, of which floor(1.5) stay.
    const input = inputOf(samplesOf([1, undefined, 2, 3, 4, 10]))
    const [stays] = choose(openAt(1)('draw'), 1, [0, 2, 3]) as [number]
    const { set, weights } = rules.infoBatch(input)
    expect(set).toEqual(range(6).filter((index) => [1, 4, 5, stays].includes(index)))
    expect(weights).toEqual(set.map((index) => (index === stays ? 3 : 1)))
  })

  test('keeps one candidate where the share is none, and all where the losses are equal or unknown', () => {
    const one = rules.infoBatch(inputOf(samplesOf([1, 9]), { settings: { r: 0.9 } }))
    expect(one).toEqual({ set: [0, 1], weights: [1, 1] })
    expect(rules.infoBatch(inputOf(samplesOf([2, 2, 2]))).set).toEqual([0, 1, 2])
    expect(rules.infoBatch(inputOf(samplesOf([undefined, undefined]))).set).toEqual([0, 1])
  })

  test('with a prune rate takes its candidates from below the quantile p / r, and keeps k', () => {
    // p / r = 0.6: of 10 samples the 6 with the lowest losses, of which 3 stay.
    const samples = samplesOf([9, 1, 8, 2, 7, 3, 6, 4, 0, 5])
    const { set, weights = [] } = rules.infoBatch(inputOf(samples, { pruneRate: 0.3 }))
    const always = [0, 2, 4, 6]
    expect(set).toHaveLength(7)
    expect(set).toEqual(expect.arrayContaining(always))
    expect(weights).toEqual(set.map((index) => (always.includes(index) ? 1 : 2)))
  })

  test('with a prune rate keeps k also where p / r makes fewer candidates than have to go', () => {
    const { set } = rules.infoBatch(inputOf(samplesOf(range(10)), { pruneRate: 0.05, settings: { r: 0.9 } }))
    expect(set).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})

describe('weights of uniform draws', () => {
  const samples = samplesOf([9, 1, 8, 2, 7, 3])

  test('N / k for random and static_random', () => {
    expect(rules.random(inputOf(samples, { k: 4 })).weights).toEqual(Array(4).fill(1.5))
    expect(rules.staticRandom(inputOf(samples, { k: 4 })).weights).toEqual(Array(4).fill(1.5))
  })

  test('1 for what epsilon_greedy keeps by its score, others / explored for the rest', () => {
    const { set, weights } = rules.epsilonGreedy(inputOf(samples, { k: 4, settings: { epsilon: 0.5 } }))
    expect(weights).toEqual(set.map((index) => (index === 0 || index === 2 ? 1 : 2)))
  })
})

describe('rs2', () => {
  test.each([
    [20, 0.7],
    [30, 0.5],
    [17, 0.35],
    [12, 0.9],
  ])('in pieces visits each of %d samples once per pass, prune rate %d', (sampleCount, pruneRate) => {
    const run = new OracleRun({ sampleCount, pruneRate, seed: '9', warmupEpochs: 0, rs2: {} })
    const pieces = range(60).map(() => run.planEpoch(1).keptSet)
    const walked: number[] = []
    for (const piece of pieces) {
      expect(piece).toHaveLength(share(1 - pruneRate, sampleCount))
      // The rest of the old pass comes first; then the next one begins.
      const pass = walked.slice(Math.floor(walked.length / sampleCount) * sampleCount)
      const left = range(sampleCount).filter((index) => !pass.includes(index))
      const ofOldPass = piece.filter((index) => left.includes(index))
      expect(ofOldPass).toHaveLength(Math.min(piece.length, left.length))
      walked.push(...ofOldPass, ...piece.filter((index) => !left.includes(index)))
    }
    for (let start = 0; start + sampleCount <= walked.length; start += sampleCount) {
      expect(walked.slice(start, start + sampleCount).sort((a, b) => a - b)).toEqual(range(sampleCount))
    }
  })

  test('weights all with N / k, and does not look at losses', () => {
    const samples = samplesOf([5, undefined, 1]).map((sample, index) => ({
      ...sample,
      timesKept: [0, 1, 0][index] ?? 0,
    }))
    expect(rules.rs2(inputOf(samples, { k: 2 }))).toEqual({ set: [0, 2], weights: [1.5, 1.5] })
  })
})

describe('custom_score', () => {
  test('keeps the largest scores, those without one first', () => {
    const samples = [-1, 3, undefined, 2].map((score) =>
      sampleOf([0], { metrics: score === undefined ? {} : { score } }),
    )
    expect(rules.customScore(inputOf(samples, { k: 2 })).set).toEqual([1, 2])
    expect(rules.customScore(inputOf(samples, { k: 3 })).set).toEqual([1, 2, 3])
  })
})

describe('seta', () => {
  test('k-means from the quantiles, worked by hand', () => {
    // Quantiles 1/4 and 3/4 of 8: places 2 and 6, centres 1 and 9. Boundary 5: means 10 / 6 and 9.5, boundary 5.58: the same places.
    expect(groupsOf([0, 0, 1, 1, 3, 5, 9, 10], 2)).toEqual([
      [0, 1, 2, 3, 4, 5],
      [6, 7],
    ])
    // Places 0, 3, 5: centres 0, 7, 8, boundaries 3.5 and 7.5. Means 0.5, 7, 8.67.
    expect(groupsOf([0, 1, 7, 7, 8, 8, 10], 3)).toEqual([
      [0, 1],
      [2, 3],
      [4, 5, 6],
    ])
    // The middle of 1 and 3 goes to the lower centre. Means 1.33 and 3: boundary 2.17.
    expect(groupsOf([1, 1, 2, 3, 3, 3], 2)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ])
    expect(groupsOf([4, 4, 4], 2)).toEqual([[0, 1, 2], []])
  })

  test('moves a centre until no boundary moves', () => {
    // Places 1 and 4: centres 1 and 5, boundary 3. Means 1.33 and 38.33, boundary 19.83. Means 2.6 and 106: the same places.
    expect(groupsOf([0, 1, 3, 4, 5, 106], 2)).toEqual([[0, 1, 2, 3, 4], [5]])
  })

  test('the window goes from the easiest groups to the hardest and wraps', () => {
    const samples = samplesOf([10, 0, 20, undefined, 30])
    const kept = (selections: number) =>
      rules.seta(inputOf(samples, { selections, settings: { dropRate: 0, groups: 4, window: 0.5 } })).set
    expect(range(5).map(kept)).toEqual([
      [0, 1, 3],
      [0, 2, 3],
      [2, 3, 4],
      [1, 3, 4],
      [0, 1, 3],
    ])
  })

  test('keeps everything where the groups of the window are empty', () => {
    const kept = (selections: number) =>
      rules.seta(inputOf(samplesOf([1, 1, 1]), { selections, settings: { dropRate: 0, window: 0.2 } })).set
    expect([kept(0), kept(1)]).toEqual([range(3), range(3)])
  })

  test.each([
    [5, 0.9, 4],
    [3, 0.5, 2],
    [2, 0.25, 1],
    [5, 0.5, 2],
    [5, 0.55, 3],
    [4, 1, 4],
  ])('of %d groups a window of %d has %d', (groups, window, expected) => {
    const samples = samplesOf(range(groups).map((group) => 10 * group))
    const { set } = rules.seta(inputOf(samples, { settings: { dropRate: 0, groups, window } }))
    expect(set).toEqual(range(expected))
  })

  test('leaves a share of the seen out at random', () => {
    const samples = samplesOf([...range(9).map(() => 1), undefined])
    const { set } = rules.seta(inputOf(samples, { settings: { dropRate: 1 / 3, window: 1 } }))
    expect(set).toEqual([...choose(openAt(1)('draw'), 6, range(9)), 9])
  })
})

describe('repb', () => {
  const above = (epoch: number, isAbove = true) =>
    sampleOf([1], { observations: [{ epoch, loss: 1, reportMean: isAbove ? 1 : 2, metrics: {}, trained: true }] })

  test('keeps what was above the mean of its report in the last epoch, and tosses a coin for the rest of the seen', () => {
    const samples = [above(3), above(3, false), above(2), sampleOf([]), above(2, false), above(3, false)]
    const words = openAt(4)('draw')
    const heads = [1, 2, 4, 5].filter(() => Number(words.next().value) < 0.3 * 2 ** 32)
    const { set } = rules.repb(inputOf(samples, { epoch: 4, settings: { rho: 0.7 } }))
    expect(set).toEqual([0, 1, 2, 3, 4, 5].filter((index) => index === 0 || index === 3 || heads.includes(index)))
    expect(rules.repb(inputOf(samples, { epoch: 4, settings: { rho: 0 } })).set).toEqual(range(6))
  })

  test('weights by epochs so far over times observed', () => {
    const samples = [sampleOf([1, 1, 1, 1]), sampleOf([1, 1, 1]), sampleOf([])]
    const weights = (epoch: number) => rules.repb(inputOf(samples, { epoch, settings: { rho: 0 } })).weights
    expect(weights(4)).toEqual([1, Math.fround(4 / 3), 1])
    expect(weights(3)).toEqual([1, 1, 1])
  })

  test('keeps everything where nothing would be kept', () => {
    const input = inputOf([above(2), above(3, false)], { epoch: 4, settings: { rho: 1 - 2 ** -32 } })
    expect(rules.repb(input)).toEqual({ set: [0, 1] })
  })
})

describe('backlog', () => {
  /** With a loss for which (1 - exp(-loss))^2 is that. */
  const trainedAt = (gain: number, ...epochs: number[]) =>
    sampleOf([-Math.log(1 - Math.sqrt(gain))], {
      observations: epochs.map((epoch) => ({ epoch, loss: 1, reportMean: 1, metrics: {}, trained: true })),
    })

  test('keeps the largest products of gain and periods waited, what is unseen first', () => {
    const samples = [trainedAt(0.5, 0, 5), trainedAt(0.3, 0, 4), trainedAt(0.175, 3), trainedAt(0.15, 0), sampleOf([])]
    const kept = (k: number, selectionPeriod: number) =>
      rules.backlog(inputOf(samples, { k, epoch: 6, selectionPeriod })).set
    // 0.5, 0.6, 0.525, 0.9
    expect(range(4).map((k) => kept(k + 1, 1))).toEqual([[4], [3, 4], [1, 3, 4], [1, 2, 3, 4]])
    // 0.5, 0.45, 0.35, 0.525
    expect(range(4).map((k) => kept(k + 1, 2))).toEqual([[4], [3, 4], [0, 3, 4], [0, 1, 3, 4]])
  })

  test('counts from before the first epoch where a sample was scored alone', () => {
    const scored = { epoch: 2, loss: 1, reportMean: 1, metrics: {}, trained: false }
    // Gains of 0.5, 0.2 and 0.45 that waited 1, 4 and 2.
    const scoredAlone = { ...trainedAt(0.2), observations: [scored] }
    const samples = [trainedAt(0.5, 2), scoredAlone, trainedAt(0.45, 1)]
    expect(rules.backlog(inputOf(samples, { k: 1, epoch: 3 })).set).toEqual([2])
    expect(rules.backlog(inputOf(samples, { k: 2, epoch: 3 })).set).toEqual([1, 2])
  })
})

describe('kakurenbo', () => {
  test.each([
    [0, 0.5],
    [29, 0.5],
    [30, 0.4],
    [59, 0.4],
    [60, 0.3],
    [80, 0.2],
    [99, 0.2],
  ])('at epoch %d of 100 may hide %d', (epoch, expected) => {
    expect(hiddenShare(0.5, epoch, 100)).toBeCloseTo(expected, 15)
    expect(hiddenShare(0.5, epoch, undefined)).toBe(0.5)
  })

  test('F falls at whole tenths of the epochs', () => {
    for (let totalEpochs = 10; totalEpochs <= 1000; totalEpochs += 10) {
      const shares = [3, 6, 8].map((tenths) => hiddenShare(1, (tenths * totalEpochs) / 10, totalEpochs))
      expect(shares).toEqual([0.8, 0.6, 0.4])
    }
    expect([3, 4].map((epoch) => hiddenShare(1, epoch, 13))).toEqual([1, 0.8])
  })

  test('the confidence is compared in f32', () => {
    const metrics = { correct: 1, confidence: Math.fround(0.7) }
    expect(rules.kakurenbo(inputOf([sampleOf([1], { metrics }), sampleOf([2])], { pruneRate: 0.5 })).set).toEqual([1])
  })

  test('moves back what is wrong, unsure or unknown', () => {
    const sure = { correct: 1, confidence: 0.75 }
    const metrics: Record<string, number>[] = [
      sure,
      { ...sure, correct: 0 },
      { ...sure, confidence: 0.625 },
      { correct: 1 },
      { confidence: 1 },
      {},
    ]
    const samples = [
      ...metrics.map((each) => sampleOf([1], { metrics: each })),
      sampleOf([2], { metrics: sure }),
      sampleOf([]),
    ]
    const input = inputOf(samples, { pruneRate: 0.75, settings: { confidence: 0.75 } })
    expect(rules.kakurenbo(input).set).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('F and the factor of the learning rate are told with the plan', () => {
    const spec: SpecJson = { sampleCount: 10, pruneRate: 0.5, totalEpochs: 10, kakurenbo: {} }
    const run = new OracleRun(spec)
    const factors = range(9).map(() => run.planEpoch(1).learningRateFactor)
    expect(factors).toEqual([1, 2, 2, ...[0.4, 0.4, 0.4, 0.3, 0.3, 0.2].map((F) => 1 / (1 - F))])
  })
})

describe('ies', () => {
  test('second differences', () => {
    expect(secondDifferences([5, 3])).toEqual([])
    expect(secondDifferences([5, 3, 2, 4])).toEqual([1, 3])
  })

  test('leaves out where the mean of the last three is below tau', () => {
    const samples = [
      sampleOf([5, 4, 3, 2]), // two differences
      sampleOf([9, 5, 4, 3, 2, 1]), // 3, 0, 0, 0
      sampleOf([9, 4, 3, 2, 2]), // 4, 0, 1
      sampleOf([6, 4, 3, 2, 1]), // 1, 0, 0
      sampleOf([]),
    ]
    const kept = (tau: number) => rules.ies(inputOf(samples, { settings: { tau } })).set
    expect(kept(0.125)).toEqual([0, 2, 3, 4])
    expect(kept(Math.fround(1 / 3))).toEqual([0, 2, 3, 4])
    expect(kept(0.5)).toEqual([0, 2, 4])
    expect(kept(0)).toEqual(range(5))
  })

  test('tau is compared in f32', () => {
    const x = Math.fround(0.7) // below 0.7
    const samples = [sampleOf([0, 0, x, x, 2 * x]), sampleOf([])]
    expect(secondDifferences([0, 0, x, x, 2 * x])).toEqual([x, x, x])
    expect(rules.ies(inputOf(samples, { settings: { tau: 0.7 } })).set).toEqual([0, 1])
  })

  test('keeps all where none would be left', () => {
    expect(rules.ies(inputOf([sampleOf([1, 1, 1, 1, 1])])).set).toEqual([0])
  })
})

describe('static_score', () => {
  test.each([
    [[0, 0, 0], Infinity],
    [[1, 1, 1], 0],
    [[0, 1, 0, 0, 1, 0], 2],
    [[1, 0, 1], 1],
    [[], Infinity], // never looked at
  ])('forgetting of %j is %d', (correct, expected) => {
    expect(forgettingOf(correct)).toBe(expected)
  })

  const observed = (name: string, values: number[]) =>
    sampleOf([], {
      seen: values.length > 0,
      observations: values.map((value, epoch) => ({
        epoch,
        loss: 0,
        reportMean: 0,
        metrics: { [name]: value },
        trained: true,
      })),
    })

  test('keeps the hardest by the epochs observed, the unseen as if they were never right', () => {
    const samples = [[1, 0, 0, 1], [0, 0, 1, 0], [0, 1, 1, 1], []].map((values) => observed('correct', values))
    const kept = (k: number, observeEpochs?: number) =>
      rules.staticScore(inputOf(samples, { k, settings: { metric: 'STATIC_METRIC_FORGETTING', observeEpochs } })).set
    expect(kept(3)).toEqual([0, 1, 3])
    expect(kept(2, 2)).toEqual([1, 3])
  })

  test('a report without the metric changes nothing, and is one of the epochs observed', () => {
    const samples = [
      [1, Number.NaN, 1], // never wrong
      [1, Number.NaN, 0],
      [1, 0, Number.NaN],
    ].map((values) => observed('correct', values))
    const kept = (k: number, observeEpochs: number) =>
      rules.staticScore(inputOf(samples, { k, settings: { metric: 'STATIC_METRIC_FORGETTING', observeEpochs } })).set
    expect(kept(2, 3)).toEqual([1, 2])
    expect(kept(1, 2)).toEqual([2])
  })

  test('ties are decided alike at each selection', () => {
    const samples = range(20).map(() => observed('correct', [1]))
    const settings = { metric: 'STATIC_METRIC_FORGETTING' }
    const kept = (epoch: number) => rules.staticScore(inputOf(samples, { k: 10, epoch, settings })).set
    expect(kept(9)).toEqual(kept(1))
  })

  test('takes the mean of a norm', () => {
    const samples = [
      [1, 9],
      [3, 3],
      [4, Number.NaN],
    ].map((values) => observed('el2n', values))
    const kept = (observeEpochs: number) =>
      rules.staticScore(inputOf(samples, { k: 1, settings: { metric: 'STATIC_METRIC_EL2N', observeEpochs } })).set
    expect([kept(1), kept(2)]).toEqual([[2], [0]])
  })
})

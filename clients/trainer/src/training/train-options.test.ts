import { describe, expect, it } from 'vitest'
import { OptionError, resolveTrainOptions, type TrainOptions } from './train-options.js'

describe('resolveTrainOptions', () => {
  it('fills in the defaults', () => {
    expect(resolveTrainOptions({})).toMatchObject({
      address: '127.0.0.1:50051',
      policy: 'ucb',
      pruneRate: 0.5,
      policySettings: {},
      scoreSource: 'loss',
      backend: 'auto',
      resume: false,
    })
  })

  it.each(['full', 'info_batch', 'seta', 'repb', 'ies'] as const)(
    'leaves it to the policy %s what is left out',
    (policy) => {
      expect(resolveTrainOptions({ policy }).pruneRate).toBe(0)
    },
  )

  it("takes KAKURENBO's own prune rate", () => {
    expect(resolveTrainOptions({ policy: 'kakurenbo' }).pruneRate).toBe(0.3)
  })

  it('leaves to the sampler what the policy decides', () => {
    const { warmupEpochs, tailEpochs, selectionPeriod, weights, scoreLeftOut } = resolveTrainOptions({})
    expect([warmupEpochs, tailEpochs, selectionPeriod, weights, scoreLeftOut]).toEqual(Array(5).fill(undefined))
  })

  it('takes columns in any order for the same', () => {
    expect(resolveTrainOptions({ columns: ['grand', 'correct'] }).columns).toEqual(['correct', 'grand'])
    expect(resolveTrainOptions({}).columns).toBeUndefined()
  })

  const refused: [options: Record<string, unknown>, option: string, problem: RegExp][] = [
    [{ epochs: 0 }, 'epochs', /whole number from 1 to/],
    [{ epochs: 1.5 }, 'epochs', /whole number/],
    [{ epochs: Number.NaN }, 'epochs', /whole number/],
    [{ batchSize: 65_537 }, 'batchSize', /from 1 to 65536/],
    [{ seed: -1 }, 'seed', /from 0 to 4294967295/],
    [{ limit: '10' }, 'limit', /whole number/],
    [{ learningRate: 0 }, 'learningRate', /above 0/],
    [{ weightDecay: 2 }, 'weightDecay', /from 0 to 1/],
    [{ pruneRate: 1 }, 'pruneRate', /but not including, 1/],
    [{ pruneRate: Number.POSITIVE_INFINITY }, 'pruneRate', /but not including, 1/],
    [
      { policy: 'best' },
      'policy',
      /one of full, static_random, random, epsilon_greedy, ucb, backlog, order_dp, info_batch, .*, ies, static_score$/,
    ],
    [{ model: 'vgg' }, 'model', /one of mlp, cnn, resnet8/],
    [{ backend: 'cuda' }, 'backend', /one of auto/],
    [{ runId: '-x' }, 'runId', /1 to 128 characters/],
    [{ runId: 'x'.repeat(129) }, 'runId', /1 to 128 characters/],
    [{ columns: ['correct', 'margin'] }, 'columns', /out of correct, confidence, el2n, grand, each once/],
    [{ columns: ['el2n', 'el2n'] }, 'columns', /each once/],
    [{ columns: [] }, 'columns', /names out of/],
    [{ columns: 'el2n' }, 'columns', /names out of/],
    [
      { columns: ['el2n', 'grand'], model: 'resnet8' },
      'columns',
      /^columns: \["el2n","grand"\] grand is not there for the model resnet8, whose batch norm .*: take the model mlp, or el2n/,
    ],
    [{ metrics: '' }, 'metrics', /path/],
    [{ resume: 'yes' }, 'resume', /true or false/],
    [{ bogus: 1 }, 'bogus', /not an option/],
    [{ policy: 'custom_score' }, 'policy', /custom_score keeps by a score of the trainer, and this one has none/],
    [{ policy: 'full', pruneRate: 0.5 }, 'pruneRate', /must be 0 with the policy full/],
    [{ policy: 'seta', pruneRate: 0.5 }, 'pruneRate', /must be 0 with the policy seta/],
    [{ policy: 'repb', pruneRate: 0.5 }, 'pruneRate', /must be 0 with the policy repb/],
    [{ policy: 'ies', pruneRate: 0.5 }, 'pruneRate', /must be 0 with the policy ies/],
    [
      { policy: 'ucb', policySettings: { c: 1, epsilon: 0.1 } },
      'policySettings',
      /"epsilon" is not used by the policy ucb: its settings are c, alpha, initial/,
    ],
    [{ policy: 'rs2', policySettings: { alpha: 0.5 } }, 'policySettings', /by the policy rs2: it has no settings/],
    [{ policySettings: { toString: 1 } }, 'policySettings', /"toString" is not used/],
    [{ policySettings: { c: 'much' } }, 'policySettings', /c must be a number/],
    [{ policySettings: { c: Number.NaN } }, 'policySettings', /c must be a number/],
    [{ policySettings: { initial: 1 } }, 'policySettings', /initial must be a name/],
    [{ policySettings: 'c=1' }, 'policySettings', /must be settings such as/],
    [
      { policy: 'static_score', policySettings: { metric: 'el2n', scores_from: [] } },
      'policySettings',
      /scores_from must be a list of names/,
    ],
    [{ policy: 'static_score' }, 'policySettings', /metric is needed .*: forgetting, el2n or grand/],
    [{ weights: 'heavy' }, 'weights', /one of off, on/],
    [{ weightCap: 0.5 }, 'weightCap', /at least 1/],
    [{ scoreSource: 'margin' }, 'scoreSource', /one of loss, batch_loss/],
    [{ batchLossMomentum: 0.5 }, 'batchLossMomentum', /with the score source batch_loss only/],
    [{ scoreSource: 'batch_loss', batchLossMomentum: 1 }, 'batchLossMomentum', /but not including, 1/],
    [{ scoreLeftOut: 'yes' }, 'scoreLeftOut', /true or false/],
    [
      { epochs: 3, warmupEpochs: 1, tailEpochs: 3 },
      'tailEpochs',
      /does not fit: 1 first and 3 last epochs .* at most the 3 epochs/,
    ],
    [{ epochs: 3, warmupEpochs: 4 }, 'warmupEpochs', /does not fit/],
    [{ resume: true }, 'resume', /needs the folder/],
  ]
  it.each(refused)('refuses %j', (options, option, problem) => {
    const resolve = () => resolveTrainOptions(options as TrainOptions)
    expect(resolve).toThrow(OptionError)
    expect(resolve).toThrow(problem)
    expect(resolve).toThrow(expect.objectContaining({ option, value: options[option] }))
  })
})

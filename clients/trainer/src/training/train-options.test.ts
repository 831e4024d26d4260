import { describe, expect, it } from 'vitest'
import { OptionError, resolveTrainOptions, type TrainOptions } from './train-options.js'

describe('resolveTrainOptions', () => {
  it('fills in the defaults', () => {
    expect(resolveTrainOptions({})).toMatchObject({
      address: '127.0.0.1:50051',
      policy: 'ucb',
      pruneRate: 0.5,
      warmupEpochs: 1,
      tailEpochs: 0,
      backend: 'auto',
      resume: false,
    })
  })

  it('prunes nothing with the policy full', () => {
    expect(resolveTrainOptions({ policy: 'full' }).pruneRate).toBe(0)
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
    [{ policy: 'best' }, 'policy', /one of full, static_random, random, epsilon_greedy, ucb/],
    [{ model: 'vgg' }, 'model', /one of mlp, cnn, resnet8/],
    [{ backend: 'cuda' }, 'backend', /one of auto/],
    [{ runId: '-x' }, 'runId', /1 to 128 characters/],
    [{ runId: 'x'.repeat(129) }, 'runId', /1 to 128 characters/],
    [{ metrics: '' }, 'metrics', /path/],
    [{ resume: 'yes' }, 'resume', /true or false/],
    [{ bogus: 1 }, 'bogus', /not an option/],
    [{ policy: 'full', pruneRate: 0.5 }, 'pruneRate', /must be 0 with the policy full/],
    [{ policy: 'ucb', epsilon: 0.1 }, 'epsilon', /not used by the policy ucb, only by epsilon_greedy/],
    [{ policy: 'random', alpha: 0.5 }, 'alpha', /only by epsilon_greedy and ucb/],
    [{ policy: 'epsilon_greedy', c: 1 }, 'c', /only by ucb/],
    [{ epochs: 3, tailEpochs: 3 }, 'tailEpochs', /does not fit: 1 first and 3 last epochs .* at most the 3 epochs/],
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

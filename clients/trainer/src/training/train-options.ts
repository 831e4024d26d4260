import { z } from 'zod'
import { bundledDataDirectory } from '../data/read-data-set.js'

/** An option has a value that cannot be used. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
  /** Name of the option, as in {@link TrainOptions}. */
  readonly option: string
  /** Its value. */
  readonly value: unknown
  /** What is wrong with it and what it must be. */
  readonly problem: string

  constructor(option: string, value: unknown, problem: string) {
    super(`${option}: ${value === undefined ? '' : `${JSON.stringify(value)} `}${problem}`)
    this.option = option
    this.value = value
    this.problem = problem
  }
}

const wholeNumber = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`
  return z.int(error).min(least, error).max(most, error)
}

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, `must be one of ${values.join(', ')}`)

const largest32 = 2 ** 32 - 1
const path = z.string('must be a path').min(1, 'must be a path')
const seconds = 'must be a number of seconds from 0.1 to 86400'
const learningRate = 'must be a number above 0 and at most 100'
const weightDecay = 'must be a number from 0 to 1'
const share = 'must be a number from 0 to 1'
const positiveShare = 'must be a number above 0 and at most 1'
const pruneRate = 'must be a number from 0 up to, but not including, 1'
const weight = 'must be a number, 0 or more'
const runId = "must be 1 to 128 characters out of A-Z, a-z, 0-9, '.', '_' and '-', the first one a letter or a digit"

const schema = z.strictObject({
  /** host:port of the sampler. */
  address: z.string('must be host:port').min(1, 'must be host:port').default('127.0.0.1:50051'),
  /** Seconds to try to reach the sampler when the run is created, when it is finished, and once the training is to stop. */
  connectTimeout: z.number(seconds).min(0.1, seconds).max(86_400, seconds).default(10),
  /** Name of the run. Default: that of the checkpoint to resume, else a random one. */
  runId: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, runId)
    .optional(),
  /** Folder of the data set. Default: the bundled Fashion-MNIST subset. */
  data: path.default(bundledDataDirectory),
  /** Train on the first images only, this many. Default: all. */
  limit: wholeNumber(1, largest32).optional(),
  /** Randomly shift the training images, and flip those of CIFAR. */
  augment: z.boolean('must be true or false').default(false),
  model: oneOf(['mlp', 'cnn', 'resnet8']).default('mlp'),
  backend: oneOf(['auto', 'tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu']).default('auto'),
  epochs: wholeNumber(1, largest32).default(10),
  /** Images a training step. */
  batchSize: wholeNumber(1, 65_536).default(128),
  /** Peak of the one-cycle schedule. */
  learningRate: z.number(learningRate).positive(learningRate).max(100, learningRate).default(0.05),
  /** L2 penalty on the weights. */
  weightDecay: z.number(weightDecay).min(0, weightDecay).max(1, weightDecay).default(5e-4),
  /** Keys the first weights, the augmentation and the sampler's random streams. */
  seed: wholeNumber(0, largest32).default(0),
  policy: oneOf(['full', 'static_random', 'random', 'epsilon_greedy', 'ucb', 'order_dp']).default('ucb'),
  /** Share of the data set left out of a selection. Default: 0.5, and 0 for the policy full. */
  pruneRate: z.number(pruneRate).min(0, pruneRate).lt(1, pruneRate).optional(),
  /** epsilon_greedy: share of the kept set that is drawn uniformly. Default: the sampler's, 0.1. */
  epsilon: z.number(share).min(0, share).max(1, share).optional(),
  /** epsilon_greedy and ucb: weight of a new loss in the moving statistics. Default: the sampler's, 0.8. */
  alpha: z.number(positiveShare).positive(positiveShare).max(1, positiveShare).optional(),
  /** ucb: weight of the variance. Default: the sampler's, 1. */
  c: z.number(weight).min(0, weight).optional(),
  /** Epochs from one selection to the next. Default: max(1, round(epochs / 20)). */
  selectionPeriod: wholeNumber(1, largest32).optional(),
  /** First epochs on all images. */
  warmupEpochs: wholeNumber(0, largest32).default(1),
  /** Last epochs on all images. */
  tailEpochs: wholeNumber(0, largest32).default(0),
  /** The plan's length is brought to a multiple of this, as shardMode says. */
  positionMultiple: wholeNumber(1, 1_048_576).default(1),
  /** Whether that lengthens or shortens the plan. */
  shardMode: oneOf(['pad', 'drop']).default('pad'),
  /** What the sampler does with a loss that is NaN or infinite. */
  nonFinite: oneOf(['ignore', 'reject']).default('ignore'),
  /** JSON-lines file to write metrics to; one that is there is overwritten. Default: none. */
  metrics: path.optional(),
  /** Folder to keep a checkpoint in, written at the start and after each epoch. Default: none. */
  checkpoint: path.optional(),
  /** Go on after the last epoch in the checkpoint: an epoch that was cut off is trained again from its start. Without one there, start at epoch 0. */
  resume: z.boolean('must be true or false').default(false),
})

/** What to train, on what and how; what is left out has a default. */
export type TrainOptions = z.input<typeof schema>

/** {@link TrainOptions} with all defaults filled in. */
export type ResolvedTrainOptions = Omit<z.output<typeof schema>, 'pruneRate'> & { readonly pruneRate: number }

/** The policies that use an option of a policy. */
const policyOptions = {
  epsilon: ['epsilon_greedy'],
  alpha: ['epsilon_greedy', 'ucb'],
  c: ['ucb'],
} as const satisfies Partial<Record<keyof TrainOptions, readonly string[]>>

/**
 * Checks options and fills in the defaults.
 *
 * @throws {OptionError} for the first option that is out of range, unknown or does not fit another one
 */
export function resolveTrainOptions(options: TrainOptions): ResolvedTrainOptions {
  const result = schema.safeParse(options)
  if (!result.success) {
    const issue = result.error.issues[0]
    const option = String(issue?.code === 'unrecognized_keys' ? issue.keys[0] : (issue?.path[0] ?? 'options'))
    const problem = issue?.code === 'unrecognized_keys' ? 'is not an option' : (issue?.message ?? 'is invalid')
    throw new OptionError(option, options[option as keyof TrainOptions], problem)
  }
  const resolved = { ...result.data, pruneRate: result.data.pruneRate ?? (result.data.policy === 'full' ? 0 : 0.5) }
  refuse(
    resolved,
    'pruneRate',
    resolved.policy === 'full' && resolved.pruneRate !== 0,
    'must be 0 with the policy full',
  )
  for (const [option, policies] of Object.entries(policyOptions) as [keyof typeof policyOptions, readonly string[]][]) {
    const unused = resolved[option] !== undefined && !policies.includes(resolved.policy)
    refuse(resolved, option, unused, `is not used by the policy ${resolved.policy}, only by ${policies.join(' and ')}`)
  }
  const { epochs, warmupEpochs, tailEpochs } = resolved
  const tooLong = warmupEpochs + tailEpochs > epochs
  refuse(
    resolved,
    tailEpochs > 0 ? 'tailEpochs' : 'warmupEpochs',
    tooLong,
    `does not fit: ${warmupEpochs} first and ${tailEpochs} last epochs on all images must be at most the ${epochs} epochs trained`,
  )
  refuse(resolved, 'resume', resolved.resume && resolved.checkpoint === undefined, 'needs the folder of the checkpoint')
  return resolved
}

function refuse(options: ResolvedTrainOptions, option: keyof TrainOptions, refused: boolean, problem: string): void {
  if (refused) throw new OptionError(option, options[option], problem)
}

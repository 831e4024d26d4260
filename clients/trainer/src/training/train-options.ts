import { z } from 'zod'
import { bundledDataDirectory } from '../data/read-data-set.js'
import { COLUMN_NAMES, type ColumnName } from '../models/columns.js'
import { whyNoColumn } from '../models/models.js'
import { factsOf, inOrder, POLICY_NAMES, type PolicySetting, whyNoSettings } from './policy-settings.js'

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
const pruneRate = 'must be a number from 0 up to, but not including, 1'
const weightCap = 'must be a number of at least 1'
const momentum = 'must be a number from 0 up to, but not including, 1'
const policySettings = 'must be settings such as epsilon=0.2,alpha=0.5'
const ownScore =
  'custom_score keeps by a score of the trainer, and this one has none: take another policy, for example static_score with el2n or grand, or report a score from a loop of your own'
const runId = "must be 1 to 128 characters out of A-Z, a-z, 0-9, '.', '_' and '-', the first one a letter or a digit"

const columns = `must be names out of ${COLUMN_NAMES.join(', ')}, each once, with commas between`

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
  policy: z
    .enum(POLICY_NAMES, {
      error: ({ input }) => (input === 'custom_score' ? ownScore : `must be one of ${POLICY_NAMES.join(', ')}`),
    })
    .default('ucb'),
  /** Settings of the policy by their names in the contract, for example { epsilon: 0.2 }. What is left out has the sampler's default. */
  policySettings: z.record(z.string(), z.custom<PolicySetting>(), policySettings).default({}),
  /** Share of the data set left out of a selection. Default: 0.5; 0.3 for kakurenbo, its own; 0 for policies that decide by themselves what they leave out: full, info_batch, seta, repb and ies. */
  pruneRate: z.number(pruneRate).min(0, pruneRate).lt(1, pruneRate).optional(),
  /** Epochs from one selection to the next. Default: what the policy says, or else max(1, round(epochs / 20)). */
  selectionPeriod: wholeNumber(1, largest32).optional(),
  /** First epochs on all images. Default: what the policy says, or else 1. */
  warmupEpochs: wholeNumber(0, largest32).optional(),
  /** Last epochs on all images. Default: what the policy says, or else 0. */
  tailEpochs: wholeNumber(0, largest32).optional(),
  /** Whether losses are weighted by 1 / the probability with which an image was kept. Default: what the policy says, or else 'off'. */
  weights: oneOf(['off', 'on']).optional(),
  /** Greatest weight, only with weights. Default: none is too large. */
  weightCap: z.number(weightCap).min(1, weightCap).optional(),
  /** What is reported: each image's own loss, or the mean loss of its batch for all of them. */
  scoreSource: oneOf(['loss', 'batch_loss']).default('loss'),
  /** Weight of an image's old value, only with batch_loss. Default: the sampler's, 0.7. */
  batchLossMomentum: z.number(momentum).min(0, momentum).lt(1, momentum).optional(),
  /** Whether the images that an epoch leaves out have a forward pass at its end, so that no loss is old. Default: what the policy says, or else false. */
  scoreLeftOut: z.boolean('must be true or false').optional(),
  /** The plan's length is brought to a multiple of this, as shardMode says. */
  positionMultiple: wholeNumber(1, 1_048_576).default(1),
  /** Whether that lengthens or shortens the plan. */
  shardMode: oneOf(['pad', 'drop']).default('pad'),
  /** What the sampler does with a loss that is NaN or infinite. */
  nonFinite: oneOf(['ignore', 'reject']).default('ignore'),
  /** What to report of each sample beside its loss, in any order; a policy that needs columns gets them unasked. Default: none. */
  columns: z
    .array(z.enum(COLUMN_NAMES, columns), columns)
    .min(1, columns)
    .refine((names) => new Set(names).size === names.length, columns)
    // One order, so that the same columns are the same run.
    .transform((names): readonly ColumnName[] => COLUMN_NAMES.filter((name) => names.includes(name)))
    .optional(),
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
  const { policy } = result.data
  const settingsProblem = whyNoSettings(policy, result.data.policySettings)
  if (settingsProblem !== undefined) {
    throw new OptionError('policySettings', options.policySettings, settingsProblem)
  }
  const facts = factsOf(policy)
  const resolved = {
    ...result.data,
    pruneRate: result.data.pruneRate ?? facts.pruneRate,
    // One order, so that the same settings are the same training.
    policySettings: inOrder(policy, result.data.policySettings),
  }
  const wrongRate = facts.fixedRate === true && resolved.pruneRate !== facts.pruneRate
  refuse(resolved, 'pruneRate', wrongRate, `must be ${facts.pruneRate} with the policy ${policy}`)
  refuse(
    resolved,
    'batchLossMomentum',
    resolved.batchLossMomentum !== undefined && resolved.scoreSource !== 'batch_loss',
    'is used with the score source batch_loss only',
  )
  const { epochs, warmupEpochs = 0, tailEpochs = 0 } = resolved
  const tooLong = warmupEpochs + tailEpochs > epochs
  refuse(
    resolved,
    tailEpochs > 0 ? 'tailEpochs' : 'warmupEpochs',
    tooLong,
    `does not fit: ${warmupEpochs} first and ${tailEpochs} last epochs on all images must be at most the ${epochs} epochs trained`,
  )
  for (const column of resolved.columns ?? []) {
    const problem = whyNoColumn(resolved.model, column)
    refuse(resolved, 'columns', problem !== undefined, problem ?? '')
  }
  refuse(resolved, 'resume', resolved.resume && resolved.checkpoint === undefined, 'needs the folder of the checkpoint')
  return resolved
}

function refuse(options: ResolvedTrainOptions, option: keyof TrainOptions, refused: boolean, problem: string): void {
  if (refused) throw new OptionError(option, options[option], problem)
}

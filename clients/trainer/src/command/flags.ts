import { type Command, Option } from 'commander'
import { factsOf, POLICY_NAMES, readPolicySettings } from '../training/policy-settings.js'
import { resolveTrainOptions, type TrainOptions } from '../training/train-options.js'

interface Flag {
  readonly name: keyof TrainOptions
  /** How the value is shown after the flag. */
  readonly placeholder: string
  readonly description: string
  /** The default in words, where it is not a plain value. */
  readonly defaultText: string | undefined
  /** What does not parse stays text, for the check of the options to refuse by name. */
  readonly parse: (given: string) => unknown
  /** Whether the flag may stand alone, for true. */
  readonly isSwitch: boolean
}

const makeFlag =
  (parse: Flag['parse'], isSwitch = false) =>
  (name: keyof TrainOptions, placeholder: string, description: string, defaultText?: string): Flag => ({
    name,
    placeholder: isSwitch ? `[${placeholder}]` : `<${placeholder}>`,
    description,
    defaultText,
    parse,
    isSwitch,
  })

const text = makeFlag((given) => given)
const number = makeFlag((given) => (given.trim() === '' || Number.isNaN(Number(given)) ? given : Number(given)))
const list = makeFlag((given) => given.split(','))
const settings = makeFlag(readPolicySettings)
const toggle = makeFlag((given) => (given === 'true' || given === 'false' ? given === 'true' : given), true)

const settingsInWords = POLICY_NAMES.filter((policy) => factsOf(policy).settings.length > 0)
  .map((policy) => `${policy}: ${factsOf(policy).settings.join(', ')}`)
  .join('; ')

const groups: Readonly<Record<string, readonly Flag[]>> = {
  'Run:': [
    text('address', 'host:port', 'the sampler'),
    number(
      'connectTimeout',
      'seconds',
      'how long to try to reach the sampler, at the start, at the end and before a stop',
    ),
    text('runId', 'name', 'name of the run', 'a random one, or that of the checkpoint'),
    number('seed', 'number', 'keys first weights, augmentation and the sampler, 0 to 4294967295'),
  ],
  'Data:': [
    text(
      'data',
      'folder',
      'MNIST-format IDX files or CIFAR-10/100 binary files, plain or .gz',
      'the bundled Fashion-MNIST subset',
    ),
    number('limit', 'images', 'train on the first images only', 'all'),
    toggle('augment', 'true|false', 'shift training images by up to 2 pixels at random, and flip those of CIFAR'),
  ],
  'Training:': [
    text('model', 'name', 'mlp, cnn or resnet8'),
    text('backend', 'name', 'auto, tfjs-node-gpu, tfjs-node, wasm or cpu; auto takes the first that loads'),
    number('epochs', 'count', 'epochs to train'),
    number('batchSize', 'images', 'images a training step, 1 to 65536'),
    number('learningRate', 'rate', 'peak of the one-cycle schedule'),
    number('weightDecay', 'factor', 'L2 penalty on the weights, 0 to 1'),
  ],
  'Pruning:': [
    text('policy', 'name', POLICY_NAMES.join(', ')),
    settings(
      'policySettings',
      'name=value,...',
      `settings of the policy, with commas between, for example epsilon=0.2,alpha=0.5 (${settingsInWords})`,
      "the sampler's",
    ),
    number(
      'pruneRate',
      'share',
      'share of the images left out, 0 up to but not including 1',
      '0.5; 0.3 for kakurenbo, and 0 for full, info_batch, seta, repb and ies',
    ),
    number(
      'selectionPeriod',
      'epochs',
      'epochs from one selection to the next',
      "the policy's, or a twentieth of the epochs, at least 1",
    ),
    number('warmupEpochs', 'count', 'first epochs on all images', "the policy's, or 1"),
    number('tailEpochs', 'count', 'last epochs on all images', "the policy's, or 0"),
    text(
      'weights',
      'on|off',
      'weight each loss by 1 / the probability of its image to be kept',
      "the policy's, or off",
    ),
    number('weightCap', 'weight', 'greatest weight, at least 1', 'none is too large'),
    text('scoreSource', 'source', "loss reports each image's own loss, batch_loss the mean of its batch alone"),
    number(
      'batchLossMomentum',
      'weight',
      "with batch_loss: weight of an image's old value, 0 up to but not including 1",
      '0.7',
    ),
    toggle(
      'scoreLeftOut',
      'true|false',
      'a forward pass over the images that an epoch left out, at its end',
      "the policy's, or false",
    ),
    number('positionMultiple', 'count', 'bring the length of every epoch to a multiple of this'),
    text('shardMode', 'mode', 'pad lengthens to the multiple, drop shortens'),
    text('nonFinite', 'mode', 'losses that are NaN or infinite: ignore counts them, reject ends the training'),
  ],
  'Results:': [
    list(
      'columns',
      'names',
      'report these of each sample too, with commas between: correct, confidence, el2n, grand (grand for mlp only)',
      'what the policy needs',
    ),
    text('metrics', 'file', 'write metrics as JSON lines, overwriting the file', 'none'),
    text('checkpoint', 'folder', 'keep a checkpoint, written at the start and after each epoch', 'none'),
    toggle(
      'resume',
      'true|false',
      'go on after the last epoch in the checkpoint, with the same settings; an epoch that was cut off is trained again from its start',
    ),
  ],
}

/** Adds every option of a training to a command, in groups; each has an environment variable too. */
export function addFlags(command: Command): void {
  command.configureHelp({ helpWidth: 140, optionDescription: describe })
  const defaults = resolveTrainOptions({})
  for (const [title, flags] of Object.entries(groups)) {
    for (const flag of flags) command.addOption(makeOption(flag, defaults[flag.name]).helpGroup(title))
  }
}

/** How the user gave an option: by its flag or by its environment variable. */
export function nameAsGiven(command: Command, option: string): string {
  return command.getOptionValueSource(option) === 'env' ? environmentName(option) : `--${kebab(option)}`
}

function makeOption({ name, placeholder, description, defaultText, parse, isSwitch }: Flag, value: unknown): Option {
  const option = new Option(`--${kebab(name)} ${placeholder}`, description).env(environmentName(name)).argParser(parse)
  if (isSwitch) option.preset('true')
  // A default that is stated in words is left to the training, which must tell "not given" from a value.
  return defaultText === undefined ? option.default(value, String(value)) : option.default(undefined, defaultText)
}

function describe({ description, defaultValueDescription, envVar }: Option): string {
  return envVar === undefined ? description : `${description}. Default: ${defaultValueDescription} [${envVar}]`
}

function environmentName(option: string): string {
  return `KEEPSET_${kebab(option).replaceAll('-', '_').toUpperCase()}`
}

function kebab(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

import type { NamedTensorMap, Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core'
import type { Backend } from '../backends/backend.js'
import type { ColumnName, Columns } from './columns.js'
import { MODELS, type ModelName, whyNoColumn } from './models.js'
import { type Model, Network } from './network.js'
import { type ProbabilityColumnName, probabilityColumns } from './probability-columns.js'
import { SampleGradientNorms } from './sample-gradient-norms.js'
import { Sgd } from './sgd.js'

/** Images that one pass of `score` takes: bounds the memory, whatever the caller hands over. */
const SCORING_BATCH = 250

export interface ClassifierOptions {
  readonly model: ModelName
  readonly inputShape: readonly [height: number, width: number, channels: number]
  /** 2 to 256. */
  readonly classes: number
  /** An integer; its lower 32 bits choose the initial weights, the same on every backend. */
  readonly seed: number
  /** Nesterov momentum in [0, 1); 0.9 by default. */
  readonly momentum?: number
  /** At least 0; 5e-4 by default. Not applied to biases and batch norm. */
  readonly weightDecay?: number
}

/** All that training goes on from: weights, momentum and the running statistics of batch norm. */
export interface ClassifierState {
  readonly [name: string]: { readonly shape: readonly number[]; readonly values: Float32Array }
}

/** What a pass tells of each sample of a batch. */
export interface Scores {
  /** Cross-entropies (natural logarithm), not reduced. */
  readonly losses: Float32Array
  /** The columns that were asked for, each as long as the losses. */
  readonly columns: Columns
}

export interface Classifier {
  /** How many numbers the optimiser trains. */
  readonly parameterCount: number
  /**
   * One optimiser step on the batch's mean loss, or on the mean of weight x loss. The arrays may be used again as soon as the call has returned its promise.
   *
   * @param images n * height * width * channels numbers, NHWC.
   * @param labels n class indices.
   * @param columns what to tell of each sample beside its loss; none by default, at no cost.
   * @param weights n finite numbers above 0; all 1 by default. Losses and columns are told without them.
   * @returns losses and columns before the step, from the pass that the step is made of.
   * @throws RangeError if the sizes do not fit each other, a label is not below `classes`, a weight is out of its range, the rate is no finite
   * number, or the model does not have a column; nothing is changed then.
   */
  trainBatch(
    images: Float32Array,
    labels: Uint8Array,
    learningRate: number,
    columns?: readonly ColumnName[],
    weights?: Float32Array,
  ): Promise<Scores>
  /**
   * A pass without training, over any number of images: batch norm goes by its running statistics, and nothing is changed. Arguments and errors
   * as above, but the arrays must stay as they are until the promise is settled. Costs a forward pass, and for `grand` a backward one too.
   */
  score(images: Float32Array, labels: Uint8Array, columns?: readonly ColumnName[]): Promise<Scores>
  getState(): Promise<ClassifierState>
  /** @throws Error that names the entry which is missing, unknown or of another shape; nothing is changed then. */
  setState(state: ClassifierState): void
  /** Frees all tensors. The classifier cannot be used after it. */
  dispose(): void
}

export function createClassifier(backend: Backend, options: ClassifierOptions): Classifier {
  return new NetworkClassifier(backend, options)
}

/** What a pass leaves on the backend, to be read. */
interface Outputs {
  readonly losses: Tensor1D
  /** For the columns that follow from them. */
  readonly logits: Tensor2D | undefined
  readonly gradientNorms: Tensor1D | undefined
}

class NetworkClassifier implements Classifier {
  readonly parameterCount: number
  readonly #backend: Backend
  readonly #options: ClassifierOptions
  readonly #network: Network
  readonly #model: Model
  readonly #optimiser: Sgd

  constructor(backend: Backend, options: ClassifierOptions) {
    const { model, inputShape, classes, seed, momentum = 0.9, weightDecay = 5e-4 } = options
    checkOptions(options)
    this.#backend = backend
    this.#options = options
    this.#network = new Network(backend, seed)
    this.#model = MODELS[model].create(this.#network, inputShape, classes)
    this.#optimiser = new Sgd(backend.tf, this.#network.parameters, { momentum, weightDecay })
    this.parameterCount = [...this.#network.parameters.values()].reduce((sum, { size }) => sum + size, 0)
  }

  async trainBatch(
    images: Float32Array,
    labels: Uint8Array,
    learningRate: number,
    columns: readonly ColumnName[] = [],
    weights?: Float32Array,
  ): Promise<Scores> {
    if (!Number.isFinite(learningRate))
      throw new RangeError(`learningRate must be a finite number, got ${learningRate}`)
    this.#checkBatch(images, labels, columns)
    if (weights) checkWeights(weights, labels.length)
    const outputs = this.#backend.tf.tidy(() => {
      const { gradients, ...rest } = this.#differentiate(images, labels, columns, true, weights)
      this.#optimiser.step(gradients, learningRate)
      return rest
    })
    return this.#read(outputs, labels.slice(), columns)
  }

  async score(images: Float32Array, labels: Uint8Array, columns: readonly ColumnName[] = []): Promise<Scores> {
    this.#checkBatch(images, labels, columns)
    const imageSize = images.length / labels.length
    const makeColumn = () => new Float32Array(labels.length)
    const whole = { losses: makeColumn(), columns: Object.fromEntries(columns.map((name) => [name, makeColumn()])) }
    for (let start = 0; start < labels.length; start += SCORING_BATCH) {
      const partLabels = labels.subarray(start, start + SCORING_BATCH)
      const partImages = images.subarray(start * imageSize, (start + SCORING_BATCH) * imageSize)
      const part = await this.#read(this.#pass(partImages, partLabels, columns), partLabels, columns)
      whole.losses.set(part.losses, start)
      for (const [name, values] of Object.entries(part.columns)) whole.columns[name]?.set(values, start)
    }
    return whole
  }

  /** A pass without training. */
  #pass(images: Float32Array, labels: Uint8Array, columns: readonly ColumnName[]): Outputs {
    const { tf, ops } = this.#backend
    return tf.tidy(() => {
      if (columns.includes('grand')) {
        const { gradients, ...outputs } = this.#differentiate(images, labels, columns, false)
        return outputs
      }
      const [x, targets] = this.#createInputs(images, labels)
      const logits = this.#model(x, { training: false })
      const losses = ops.crossEntropy(logits, targets)
      return { losses, logits: needLogits(columns) ? logits : undefined, gradientNorms: undefined }
    })
  }

  /** A pass and the gradients of the mean of weight x loss, by the variables' own names. Called in a tidy scope, which disposes the gradients. */
  #differentiate(
    images: Float32Array,
    labels: Uint8Array,
    columns: readonly ColumnName[],
    training: boolean,
    weights?: Float32Array,
  ): Outputs & { readonly gradients: NamedTensorMap } {
    const { tf, ops } = this.#backend
    const [x, targets] = this.#createInputs(images, labels)
    const factors = weights && tf.tensor1d(weights.slice())
    const norms = columns.includes('grand') ? new SampleGradientNorms(tf, factors) : undefined
    let losses = tf.tensor1d([])
    let logits: Tensor2D | undefined
    const { grads } = tf.variableGrads(() => {
      const output = this.#model(x, { training, onDenseGradient: norms?.add })
      losses = tf.keep(ops.crossEntropy(output, targets))
      if (needLogits(columns)) logits = tf.keep(output)
      return ops.mean(losses, factors)
    }, [...this.#network.parameters.values()])
    return { gradients: grads, losses, logits, gradientNorms: norms?.take() }
  }

  /** Reads the outputs of a pass, all at once, and frees them. */
  async #read(outputs: Outputs, labels: Uint8Array, columns: readonly ColumnName[]): Promise<Scores> {
    const { losses, logits, gradientNorms } = outputs
    try {
      const [lossValues, logitValues, grand] = await Promise.all([
        losses.data<'float32'>(),
        logits?.data<'float32'>(),
        gradientNorms?.data<'float32'>(),
      ])
      return {
        losses: lossValues,
        columns: {
          ...(logitValues && probabilityColumns(logitValues, labels, columns.filter(isOfProbabilities))),
          ...(grand && { grand }),
        },
      }
    } finally {
      this.#backend.tf.dispose([losses, logits, gradientNorms])
    }
  }

  async getState(): Promise<ClassifierState> {
    const entries = [...this.#variables()].map(async ([name, variable]) => {
      const values = (await variable.data<'float32'>()).slice()
      return [name, { shape: [...variable.shape], values }] as const
    })
    return Object.fromEntries(await Promise.all(entries))
  }

  setState(state: ClassifierState): void {
    const { tf } = this.#backend
    const variables = this.#variables()
    const unknown = Object.keys(state).find((name) => !variables.has(name))
    if (unknown !== undefined)
      throw new Error(`state has an entry "${unknown}", which the ${this.#options.model} has not`)
    for (const [name, { shape, size }] of variables) {
      const entry = state[name]
      if (!entry) throw new Error(`state has no entry "${name}", which the ${this.#options.model} needs`)
      if (String(entry.shape) !== String(shape) || entry.values.length !== size) {
        const got = `[${entry.shape}] with ${entry.values.length} values`
        throw new Error(`state entry "${name}" must have the shape [${shape}], got ${got}`)
      }
    }
    for (const [name, variable] of variables) {
      // A copy: TensorFlow.js may go on using the array that a tensor was made from.
      const values = state[name]?.values.slice() as Float32Array
      tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)))
    }
  }

  dispose(): void {
    this.#network.dispose()
    this.#optimiser.dispose()
  }

  #variables(): Map<string, Variable> {
    const velocities = [...this.#optimiser.velocities].map(([name, value]) => [`${name}/velocity`, value] as const)
    return new Map([...this.#network.parameters, ...velocities, ...this.#network.statistics])
  }

  #checkBatch(images: Float32Array, labels: Uint8Array, columns: readonly ColumnName[]): void {
    const { model, inputShape, classes } = this.#options
    for (const column of columns) {
      const problem = whyNoColumn(model, column)
      if (problem !== undefined) throw new RangeError(problem)
    }
    const imageSize = inputShape[0] * inputShape[1] * inputShape[2]
    if (labels.length === 0) throw new RangeError('a batch must have at least one sample, got 0 labels')
    if (images.length !== labels.length * imageSize) {
      const expected = `${labels.length} labels need images of ${labels.length * imageSize} numbers (${inputShape} each)`
      throw new RangeError(`${expected}, got ${images.length}`)
    }
    const wrong = labels.find((label) => label >= classes)
    if (wrong !== undefined) throw new RangeError(`labels must be below ${classes}, got ${wrong}`)
  }

  /** Images and one-hot targets as tensors of their own: TensorFlow.js may go on using the array behind a tensor. */
  #createInputs(images: Float32Array, labels: Uint8Array): [Tensor4D, Tensor2D] {
    const { tf } = this.#backend
    const { inputShape, classes } = this.#options
    const targets = new Float32Array(labels.length * classes)
    labels.forEach((label, index) => {
      targets[index * classes + label] = 1
    })
    return [tf.tensor4d(images.slice(), [labels.length, ...inputShape]), tf.tensor2d(targets, [labels.length, classes])]
  }
}

function isOfProbabilities(column: ColumnName): column is ProbabilityColumnName {
  return column !== 'grand'
}

function needLogits(columns: readonly ColumnName[]): boolean {
  return columns.some(isOfProbabilities)
}

function checkWeights(weights: Float32Array, count: number): void {
  if (weights.length !== count) throw new RangeError(`${count} labels need as many weights, got ${weights.length}`)
  const wrong = weights.find((weight) => !(weight > 0 && Number.isFinite(weight)))
  if (wrong !== undefined) throw new RangeError(`weights must be finite numbers above 0, got ${wrong}`)
}

function checkOptions({ model, inputShape, classes, seed, momentum = 0, weightDecay = 0 }: ClassifierOptions): void {
  const checks: [name: string, value: unknown, valid: boolean, range: string][] = [
    ['model', model, Object.hasOwn(MODELS, model), `one of ${Object.keys(MODELS).join(', ')}`],
    [
      'inputShape',
      `[${inputShape}]`,
      inputShape.length === 3 && inputShape.every(isPositiveInteger),
      'positive integers',
    ],
    ['classes', classes, Number.isInteger(classes) && classes >= 2 && classes <= 256, 'an integer from 2 to 256'],
    ['seed', seed, Number.isSafeInteger(seed), 'an integer'],
    ['momentum', momentum, momentum >= 0 && momentum < 1, 'in [0, 1)'],
    ['weightDecay', weightDecay, weightDecay >= 0 && Number.isFinite(weightDecay), 'a finite number of at least 0'],
  ]
  for (const [name, value, valid, range] of checks) {
    if (!valid) throw new RangeError(`${name} must be ${range}, got ${value}`)
  }
}

function isPositiveInteger(value: number): boolean {
  return Number.isInteger(value) && value > 0
}

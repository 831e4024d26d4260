import type { Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core'
import type { Backend } from '../backends/backend.js'
import { createCnn } from './cnn.js'
import { createMlp } from './mlp.js'
import { type Model, Network } from './network.js'
import { createResnet8 } from './resnet8.js'
import { Sgd } from './sgd.js'

/** Images that one forward pass of `evaluate` takes: bounds the memory, whatever the caller hands over. */
const EVALUATION_BATCH = 250

const MODELS = { mlp: createMlp, cnn: createCnn, resnet8: createResnet8 }

export type ModelName = keyof typeof MODELS

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

export interface Classifier {
  /** How many numbers the optimiser trains. */
  readonly parameterCount: number
  /**
   * One optimiser step on the batch's mean loss. The arrays may be used again as soon as the call has returned its promise.
   *
   * @param images n * height * width * channels numbers, NHWC.
   * @param labels n class indices.
   * @returns each sample's cross-entropy (natural logarithm), not reduced, before the step.
   * @throws RangeError if the sizes do not fit each other, a label is not below `classes`, or the rate is no finite number.
   */
  trainBatch(images: Float32Array, labels: Uint8Array, learningRate: number): Promise<Float32Array>
  /**
   * A forward pass without training, over any number of images. Arguments and errors as above, but the arrays must stay
   * as they are until the promise is settled.
   */
  evaluate(images: Float32Array, labels: Uint8Array): Promise<{ losses: Float32Array; correct: number }>
  getState(): Promise<ClassifierState>
  /** @throws Error that names the entry which is missing, unknown or of another shape; nothing is changed then. */
  setState(state: ClassifierState): void
  /** Frees all tensors. The classifier cannot be used after it. */
  dispose(): void
}

export function createClassifier(backend: Backend, options: ClassifierOptions): Classifier {
  return new NetworkClassifier(backend, options)
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
    this.#model = MODELS[model](this.#network, inputShape, classes)
    this.#optimiser = new Sgd(backend.tf, this.#network.parameters, { momentum, weightDecay })
    this.parameterCount = [...this.#network.parameters.values()].reduce((sum, { size }) => sum + size, 0)
  }

  async trainBatch(images: Float32Array, labels: Uint8Array, learningRate: number): Promise<Float32Array> {
    if (!Number.isFinite(learningRate))
      throw new RangeError(`learningRate must be a finite number, got ${learningRate}`)
    this.#checkBatch(images, labels)
    const { tf, ops } = this.#backend
    const losses = tf.tidy(() => {
      const [x, targets] = this.#createInputs(images, labels)
      let batchLosses = tf.tensor1d([])
      const { grads } = tf.variableGrads(() => {
        batchLosses = tf.keep(ops.crossEntropy(this.#model(x, true), targets))
        return ops.mean(batchLosses)
      }, [...this.#network.parameters.values()])
      this.#optimiser.step(grads, learningRate)
      return batchLosses
    })
    try {
      return await losses.data<'float32'>()
    } finally {
      losses.dispose()
    }
  }

  async evaluate(images: Float32Array, labels: Uint8Array): Promise<{ losses: Float32Array; correct: number }> {
    this.#checkBatch(images, labels)
    const imageSize = images.length / labels.length
    const losses = new Float32Array(labels.length)
    let correct = 0
    for (let start = 0; start < labels.length; start += EVALUATION_BATCH) {
      const batchLabels = labels.subarray(start, start + EVALUATION_BATCH)
      const batchImages = images.subarray(start * imageSize, (start + EVALUATION_BATCH) * imageSize)
      const [batchLosses, classes] = await this.#predict(batchImages, batchLabels)
      losses.set(batchLosses, start)
      correct += batchLabels.reduce((count, label, index) => count + Number(label === classes[index]), 0)
    }
    return { losses, correct }
  }

  /** Each sample's loss, and the class to which the model gives the highest probability. */
  async #predict(images: Float32Array, labels: Uint8Array): Promise<[Float32Array, Int32Array]> {
    const { tf, ops } = this.#backend
    const [losses, classes] = tf.tidy(() => {
      const [x, targets] = this.#createInputs(images, labels)
      const logits = this.#model(x, false)
      return [ops.crossEntropy(logits, targets), tf.argMax<Tensor1D>(logits, 1)] as [Tensor1D, Tensor1D]
    })
    try {
      return [await losses.data<'float32'>(), await classes.data<'int32'>()]
    } finally {
      tf.dispose([losses, classes])
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

  #checkBatch(images: Float32Array, labels: Uint8Array): void {
    const { inputShape, classes } = this.#options
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

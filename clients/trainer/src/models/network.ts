import type { Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core'
import type { Backend } from '../backends/backend.js'
import { BATCH_NORM_EPSILON } from '../backends/kernels.js'
import type { DenseGradientListener } from '../backends/operations.js'
import { createRandomValues } from './random-values.js'

/** How far the running statistics of batch norm move towards those of each batch. */
const STATISTICS_RATE = 0.1

/** One way through a model. */
export interface Pass {
  /** Whether batch norm goes by the batch's own statistics, which the running ones then follow. */
  readonly training: boolean
  /** Is told of each dense layer, as a gradient runs back. */
  readonly onDenseGradient?: DenseGradientListener | undefined
}

export type Layer<X, Y> = (x: X, pass: Pass) => Y

/** From images [n, height, width, channels] to logits [n, classes]. */
export type Model = Layer<Tensor4D, Tensor2D>

/** The weights of one model, and the layers that use them. Weights are drawn in the order in which layers are made. */
export class Network {
  /** What the optimiser trains, by name. */
  readonly parameters = new Map<string, Variable>()
  /** The running means and variances of batch norm, by name. */
  readonly statistics = new Map<string, Variable>()
  readonly backend: Backend
  readonly #draw: (size: number, limit: number) => Float32Array

  constructor(backend: Backend, seed: number) {
    this.backend = backend
    this.#draw = createRandomValues(seed)
  }

  /** A fully connected layer with a bias. */
  dense(name: string, inputs: number, outputs: number, isInput = false): Layer<Tensor2D, Tensor2D> {
    const { ops } = this.backend
    const weights = this.#weights(`${name}/weights`, [inputs, outputs], inputs)
    const bias = this.#constant(this.parameters, `${name}/bias`, outputs, 0)
    return (x, { onDenseGradient }) => ops.dense(x, weights as Tensor2D, bias, isInput, onDenseGradient)
  }

  /** A square convolution without a bias, for batch norm to follow; "same" padding. */
  conv(
    name: string,
    size: number,
    inputs: number,
    outputs: number,
    stride = 1,
    isInput = false,
  ): Layer<Tensor4D, Tensor4D> {
    const { ops } = this.backend
    const filter = this.#weights(`${name}/filter`, [size, size, inputs, outputs], size * size * inputs)
    return (x) => ops.conv2d(x, filter as Tensor4D, stride, isInput)
  }

  /** Normalises by the batch's statistics in training, by the running ones otherwise. */
  batchNorm(name: string, channels: number): Layer<Tensor4D, Tensor4D> {
    const { tf, ops } = this.backend
    const gamma = this.#constant(this.parameters, `${name}/gamma`, channels, 1)
    const beta = this.#constant(this.parameters, `${name}/beta`, channels, 0)
    const mean = this.#constant(this.statistics, `${name}/mean`, channels, 0)
    const variance = this.#constant(this.statistics, `${name}/variance`, channels, 1)
    const follow = (running: Variable, value: Tensor1D) =>
      running.assign(tf.add(tf.mul(running, 1 - STATISTICS_RATE), tf.mul(value, STATISTICS_RATE)))
    return (x, { training }) => {
      if (training) {
        return ops.batchNorm(x, gamma, beta, (batchMean, batchVariance) => {
          follow(mean, batchMean)
          follow(variance, batchVariance)
        })
      }
      const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, BATCH_NORM_EPSILON)))
      return tf.add(tf.mul(x, scale), tf.sub(beta, tf.mul(mean, scale)))
    }
  }

  /** Convolution, batch norm and ReLU in a row. */
  convBlock(name: string, inputs: number, outputs: number, stride = 1, isInput = false): Layer<Tensor4D, Tensor4D> {
    const conv = this.conv(`${name}/conv`, 3, inputs, outputs, stride, isInput)
    const norm = this.batchNorm(`${name}/norm`, outputs)
    return (x, pass) => this.backend.ops.relu(norm(conv(x, pass), pass))
  }

  /** He initialisation (arXiv 1502.01852), uniform: the variance is 2 / fanIn. */
  #weights(name: string, shape: number[], fanIn: number): Variable {
    const size = shape.reduce((product, length) => product * length, 1)
    return this.#add(this.parameters, name, this.#draw(size, Math.sqrt(6 / fanIn)), shape)
  }

  #constant(group: Map<string, Variable>, name: string, size: number, value: number): Tensor1D & Variable {
    return this.#add(group, name, new Float32Array(size).fill(value), [size]) as Tensor1D & Variable
  }

  #add(group: Map<string, Variable>, name: string, values: Float32Array, shape: number[]): Variable {
    const { tf } = this.backend
    const variable = tf.tidy(() => tf.variable(tf.tensor(values, shape)))
    group.set(name, variable)
    return variable
  }

  dispose(): void {
    for (const variable of [...this.parameters.values(), ...this.statistics.values()]) variable.dispose()
  }
}

import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from '../backends/backend.js'

/**
 * The L2 norm of each sample's own loss gradient, gathered layer by layer while the gradient of the batch's mean of weight x loss runs back through a
 * model of dense layers. There a sample's gradient is input x delta for the weights and delta for the bias, with delta its gradient
 * towards the layer's output, so that its squared norm is |input|^2 |delta|^2 + |delta|^2 (Goodfellow 2015, arXiv 1510.01799).
 *
 * Exact where each layer is passed once and no layer mixes samples.
 */
export class SampleGradientNorms {
  readonly #tf: TensorFlow
  /** The weights [n], above 0; undefined: all 1. */
  readonly #weights: Tensor1D | undefined
  /** Of each layer the squared norms [n]. */
  readonly #squares: Tensor1D[] = []

  constructor(tf: TensorFlow, weights?: Tensor1D) {
    this.#tf = tf
    this.#weights = weights
  }

  /** Takes a layer's input [n, in] and the mean's gradient towards its output [n, out]: of each sample its own, times weight / n. */
  readonly add = (input: Tensor2D, gradient: Tensor2D): void => {
    const tf = this.#tf
    const squares = tf.tidy(() => {
      const scaled = tf.mul(gradient, gradient.shape[0])
      const ownGradient = this.#weights ? tf.div(scaled, tf.expandDims(this.#weights, 1)) : scaled
      return tf.mul<Tensor1D>(tf.add(tf.sum(tf.square(input), 1), 1), tf.sum(tf.square(ownGradient), 1))
    })
    this.#squares.push(tf.keep(squares))
  }

  /** The norms [n], once all layers are passed. What was gathered is gone after it. */
  take(): Tensor1D {
    const tf = this.#tf
    const norms = tf.tidy(() => tf.sqrt(tf.addN(this.#squares)))
    tf.dispose(this.#squares.splice(0))
    return norms
  }
}

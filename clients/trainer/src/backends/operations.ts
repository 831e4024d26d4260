import type { GradSaveFunc, Scalar, Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from './backend.js'
import type { Kernels } from './kernels.js'

/** Called with a batch's mean and unbiased variance of each channel. They are disposed when it returns. */
export type BatchStatisticsListener = (mean: Tensor1D, variance: Tensor1D) => void

/** Called, as a gradient runs back, with a dense layer's input [n, in] and the gradient towards its output [n, out]. They are disposed when it returns. */
export type DenseGradientListener = (input: Tensor2D, gradient: Tensor2D) => void

/**
 * Differentiable operations, each with a gradient of its own: tfjs-core alone brings none.
 * Images are NHWC, filters [height, width, in, out].
 *
 * `isInput` says that x is the model's input and counts as a constant: nobody asks for its gradient.
 */
export interface Operations {
  /** x [n, in] times weights [in, out] plus bias [out]. */
  dense(x: Tensor2D, weights: Tensor2D, bias: Tensor1D, isInput?: boolean, onGradient?: DenseGradientListener): Tensor2D
  /** Convolution with "same" padding and the same stride in both directions. */
  conv2d(x: Tensor4D, filter: Tensor4D, stride: number, isInput?: boolean): Tensor4D
  /** Batch norm by the batch's own statistics. */
  batchNorm(x: Tensor4D, gamma: Tensor1D, beta: Tensor1D, onStatistics: BatchStatisticsListener): Tensor4D
  relu<T extends Tensor>(x: T): T
  /** Sum of two tensors of one shape. */
  add<T extends Tensor>(a: T, b: T): T
  /** The mean of each channel over an image's pixels: [n, h, w, c] to [n, c]. */
  averagePixels(x: Tensor4D): Tensor2D
  /** Each sample's softmax cross-entropy [n]. `targets` [n, classes] is one-hot and constant. */
  crossEntropy(logits: Tensor2D, targets: Tensor2D): Tensor1D
  /** The mean of the values or, with weights [n], which are constant, of weight x value. Weights of 1 give the same bits as none. */
  mean(values: Tensor1D, weights?: Tensor1D): Scalar
}

export function createOperations(tf: TensorFlow, kernels: Kernels): Operations {
  /**
   * The result of `forward`, with a gradient of its own towards each of the inputs. All tensors that `gradient` uses must
   * be saved: others are disposed when the forward pass ends.
   */
  function differentiable<Y extends Tensor, Saved extends Tensor[]>(
    inputs: Tensor[],
    forward: (save: (...tensors: Saved) => void) => Y,
    gradient: (dy: Y, ...saved: Saved) => Tensor[],
  ): Y {
    const operation = tf.customGrad<Y>((...parameters) => {
      const save = parameters.at(-1) as GradSaveFunc
      const value = forward((...tensors) => save(tensors))
      return { value, gradFunc: (dy, saved) => gradient(dy, ...(saved as Saved)) }
    })
    return operation(...inputs)
  }

  return {
    dense(x, weights, bias, isInput = false, onGradient) {
      return differentiable<Tensor2D, [Tensor2D, Tensor2D]>(
        isInput ? [weights, bias] : [x, weights, bias],
        (save) => {
          save(x, weights)
          return tf.add(kernels.matMul(x, weights, false, false), bias)
        },
        (dy, input, matrix) => {
          onGradient?.(input, dy)
          const gradients = [kernels.matMul(input, dy, true, false), tf.sum(dy, 0)]
          return isInput ? gradients : [kernels.matMul(dy, matrix, false, true), ...gradients]
        },
      )
    },

    conv2d(x, filter, stride, isInput = false) {
      return differentiable<Tensor4D, [Tensor4D, Tensor4D]>(
        isInput ? [filter] : [x, filter],
        (save) => {
          save(x, filter)
          return tf.conv2d(x, filter, stride, 'same')
        },
        (dy, input, weights) => {
          const gradient = kernels.convFilterGradient(input, dy, weights.shape, stride)
          return isInput ? [gradient] : [kernels.convInputGradient(dy, weights, input.shape, stride), gradient]
        },
      )
    },

    batchNorm(x, gamma, beta, onStatistics) {
      return differentiable<Tensor4D, Tensor[]>(
        [x, gamma, beta],
        (save) => {
          const { y, mean, variance, saved } = kernels.batchNorm(x, gamma, beta)
          onStatistics(mean, variance)
          save(...saved)
          return y
        },
        (dy, ...saved) => kernels.batchNormGradient(dy, saved),
      )
    },

    relu<T extends Tensor>(x: T) {
      return differentiable<T, [T]>(
        [x],
        (save) => {
          const y = tf.relu(x)
          save(y)
          return y
        },
        (dy, y) => [kernels.reluGradient(dy, y)],
      )
    },

    add<T extends Tensor>(a: T, b: T) {
      return differentiable<T, []>(
        [a, b],
        () => tf.add(a, b),
        (dy) => [dy, dy],
      )
    },

    averagePixels(x) {
      const [n, height, width, channels] = x.shape
      return differentiable<Tensor2D, []>(
        [x],
        () => tf.reshape(tf.avgPool(x, [height, width], 1, 'valid'), [n, channels]),
        (dy) => {
          const share = tf.fill([1, height, width, 1], 1 / (height * width))
          return [tf.mul(tf.reshape(dy, [n, 1, 1, channels]), share)]
        },
      )
    },

    crossEntropy(logits, targets) {
      return differentiable<Tensor1D, [Tensor2D, Tensor2D]>(
        [logits],
        (save) => {
          const shifted = tf.sub<Tensor2D>(logits, tf.max(logits, 1, true))
          const exponentials = tf.exp(shifted)
          const sums = tf.sum(exponentials, 1, true)
          save(tf.div(exponentials, sums), targets)
          return tf.sum(tf.mul(targets, tf.sub(tf.log(sums), shifted)), 1)
        },
        (dy, probabilities, oneHot) => [tf.mul(tf.sub(probabilities, oneHot), tf.expandDims(dy, 1))],
      )
    },

    mean(values, weights) {
      return differentiable<Scalar, Tensor[]>(
        [values],
        (save) => {
          if (!weights) return tf.mean(values)
          save(weights)
          return tf.mean(tf.mul(values, weights))
        },
        (dy, ...saved) => {
          const shares = tf.fill(values.shape, 1 / values.size)
          return [tf.mul(dy, saved[0] ? tf.mul(shares, saved[0]) : shares)]
        },
      )
    },
  }
}

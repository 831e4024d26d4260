import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from './backend.js'
import { BATCH_NORM_EPSILON, type BatchNormResult, type Kernels, type Shape4D } from './kernels.js'

/**
 * TensorFlow.js' own gradient kernels, and batch norm made of elementwise operations: right on every backend that has
 * them (wasm has no Conv2DBackpropFilter). Other backends replace the slow ones.
 */
export function createStockKernels(tf: TensorFlow): Kernels {
  const convAttributes = (stride: number) => ({ strides: stride, pad: 'same', dataFormat: 'NHWC' })
  const run = <T extends Tensor>(kernel: string, inputs: Record<string, Tensor>, attributes: object) =>
    tf.engine().runKernel(kernel, inputs, { ...attributes }) as T

  /**
   * The mean over all but the last axis. By average pooling, which reads the memory in order: `tf.mean` over the outer
   * axes copies the whole tensor on wasm. First within each image, then over the images, so that sums stay short.
   */
  function channelMeans(x: Tensor4D): Tensor1D {
    const [, height, width] = x.shape
    return tf.mean(tf.avgPool(x, [height, width], 1, 'valid'), [0, 1, 2])
  }

  return {
    matMul: (a, b, transposeA, transposeB) => tf.matMul(a, b, transposeA, transposeB) as Tensor2D,

    convInputGradient: (dy: Tensor4D, filter: Tensor4D, inputShape: Shape4D, stride: number) =>
      run<Tensor4D>('Conv2DBackpropInput', { dy, filter }, { ...convAttributes(stride), inputShape }),

    convFilterGradient: (x: Tensor4D, dy: Tensor4D, filterShape: Shape4D, stride: number) =>
      run<Tensor4D>('Conv2DBackpropFilter', { x, dy }, { ...convAttributes(stride), filterShape }),

    reluGradient: (dy, y) => tf.mul(dy, tf.step(y)),

    batchNorm(x, gamma, beta): BatchNormResult {
      const mean = channelMeans(x)
      const centred = tf.sub<Tensor4D>(x, mean)
      const variance = channelMeans(tf.square(centred))
      const inverseDeviation = tf.rsqrt(tf.add(variance, BATCH_NORM_EPSILON)) as Tensor1D
      const scale = tf.mul(gamma, inverseDeviation)
      const count = x.size / gamma.size
      return {
        y: tf.add(tf.mul(centred, scale), beta),
        mean,
        variance: tf.mul(variance, count / Math.max(1, count - 1)),
        saved: [centred, inverseDeviation, scale],
      }
    },

    // Ioffe and Szegedy 2015 (arXiv 1502.03167), section 3, with centred = x - mean:
    // dx = scale (dy - mean(dy) - centred / deviation^2 mean(dy centred))
    batchNormGradient(dy, [centred, inverseDeviation, scale]) {
      if (!centred || !inverseDeviation || !scale) throw new Error('batchNormGradient needs what batchNorm saved')
      const count = dy.size / scale.size
      const meanDy = channelMeans(dy)
      const meanDyCentred = channelMeans(tf.mul(dy, centred))
      const slope = tf.mul(meanDyCentred, tf.square(inverseDeviation))
      const dx = tf.mul(tf.sub(tf.sub(dy, meanDy), tf.mul(centred, slope)), scale)
      return [dx, tf.mul(tf.mul(meanDyCentred, inverseDeviation), count), tf.mul(meanDy, count)]
    },
  }
}

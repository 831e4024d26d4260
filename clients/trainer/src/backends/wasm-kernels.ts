import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from './backend.js'
import type { Kernels, Shape4D } from './kernels.js'
import { createStockKernels } from './stock-kernels.js'

/**
 * Gradients for the wasm backend, from the kernels that XNNPACK makes fast there: plain matrix products and forward
 * convolutions. It has no Conv2DBackpropFilter, and its Conv2DBackpropInput and its transposed matrix product are
 * scalar code, much slower than these.
 */
export function createWasmKernels(tf: TensorFlow): Kernels {
  /** How many rows and columns of zeros "same" padding puts before the first pixel. */
  function samePadding(inputShape: Shape4D, filterShape: Shape4D, stride: number): { top: number; left: number } {
    return tf.backend_util.computeConv2DInfo(inputShape, filterShape, stride, 1, 'same').padInfo
  }

  /** [n, h, w, c] to [n, h * stride, w * stride, c]: each pixel is followed by stride - 1 zeros in both directions. */
  function insertZeros(x: Tensor4D, stride: number): Tensor4D {
    if (stride === 1) return x
    const [n, h, w, c] = x.shape
    const columns = tf.pad(tf.reshape(x, [n * h * w, c]), [
      [0, 0],
      [0, (stride - 1) * c],
    ])
    const rowLength = w * stride * c
    const rows = tf.pad(tf.reshape(columns, [n * h, rowLength]), [
      [0, 0],
      [0, (stride - 1) * rowLength],
    ])
    return tf.reshape(rows, [n, h * stride, w * stride, c])
  }

  /**
   * A convolution without stride whose result has exactly the height and width asked for: padded by `top` and `left`
   * before the first pixel, after the last one by what is needed, or cut.
   */
  function convolveTo(size: [number, number], x: Tensor4D, filter: Tensor4D, top: number, left: number, dilation = 1) {
    const [height, width] = size
    const extent = (filterSize: number) => (filterSize - 1) * dilation
    const bottom = Math.max(0, height + extent(filter.shape[0]) - x.shape[1] - top)
    const right = Math.max(0, width + extent(filter.shape[1]) - x.shape[2] - left)
    const y = tf.conv2d(
      x,
      filter,
      1,
      [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ],
      'NHWC',
      dilation,
    )
    const [n, , , c] = y.shape
    return y.shape[1] === height && y.shape[2] === width ? y : tf.slice(y, [0, 0, 0, 0], [n, height, width, c])
  }

  return {
    ...createStockKernels(tf),

    matMul: (a: Tensor2D, b: Tensor2D, transposeA: boolean, transposeB: boolean) =>
      tf.matMul(transposeA ? tf.transpose(a) : a, transposeB ? tf.transpose(b) : b) as Tensor2D,

    /** The input's gradient is dy, spread out by the stride, convolved with the filter turned by 180 degrees. */
    convInputGradient(dy, filter, inputShape, stride) {
      const [filterHeight, filterWidth] = filter.shape
      const { top, left } = samePadding(inputShape, filter.shape, stride)
      const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2])
      const size: [number, number] = [inputShape[1], inputShape[2]]
      return convolveTo(size, insertZeros(dy, stride), turned, filterHeight - 1 - top, filterWidth - 1 - left)
    },

    /**
     * The filter's gradient is a convolution too, of x with dy as a filter as large as the image: samples take the place
     * of the channels, x's channels that of the samples, and the stride that of the dilation.
     */
    convFilterGradient(x, dy, filterShape, stride) {
      const { top, left } = samePadding(x.shape, filterShape, stride)
      const images = tf.transpose(x, [3, 1, 2, 0])
      const filters = tf.transpose(dy, [1, 2, 0, 3])
      const size: [number, number] = [filterShape[0], filterShape[1]]
      return tf.transpose(convolveTo(size, images, filters, top, left, stride), [1, 2, 0, 3])
    },
  }
}

import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'

/** Added to a variance before its root is taken. A GPU's fused batch norm takes nothing below 1.001e-5. */
export const BATCH_NORM_EPSILON = 1e-3

export type Shape4D = [number, number, number, number]

export interface BatchNormResult {
  readonly y: Tensor4D
  /** The batch's mean of each channel. */
  readonly mean: Tensor1D
  /** The batch's unbiased variance of each channel. */
  readonly variance: Tensor1D
  /** What `batchNormGradient` needs from the forward pass. */
  readonly saved: Tensor[]
}

/**
 * The computations for which each backend has its own best way. Images are NHWC, filters [height, width, in, out],
 * convolutions padded "same". They are called inside a tidy scope, which disposes what they do not return.
 */
export interface Kernels {
  matMul(a: Tensor2D, b: Tensor2D, transposeA: boolean, transposeB: boolean): Tensor2D
  convInputGradient(dy: Tensor4D, filter: Tensor4D, inputShape: Shape4D, stride: number): Tensor4D
  convFilterGradient(x: Tensor4D, dy: Tensor4D, filterShape: Shape4D, stride: number): Tensor4D
  /** dy where the forward result `y` is positive, elsewhere 0. */
  reluGradient(dy: Tensor, y: Tensor): Tensor
  /** Normalises each channel by the batch's own (biased) variance: y = gamma (x - mean) / sqrt(variance + epsilon) + beta. */
  batchNorm(x: Tensor4D, gamma: Tensor1D, beta: Tensor1D): BatchNormResult
  batchNormGradient(dy: Tensor4D, saved: Tensor[]): [dx: Tensor, dGamma: Tensor, dBeta: Tensor]
}

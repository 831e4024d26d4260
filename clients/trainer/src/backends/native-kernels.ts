import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from './backend.js'
import { BATCH_NORM_EPSILON, type BatchNormResult, type Kernels } from './kernels.js'
import { createStockKernels } from './stock-kernels.js'

interface Attribute {
  name: string
  type: number
  value: unknown
}

/** The part of @tensorflow/tfjs-node's backend that is used here. That package is optional, so its types may be absent. */
export interface NodeBackend {
  readonly isUsingGpuDevice: boolean
  readonly binding: {
    readonly TF_Version: string
    readonly TF_FLOAT: number
    readonly TF_ATTR_TYPE: number
    readonly TF_ATTR_FLOAT: number
    readonly TF_ATTR_STRING: number
    readonly TF_ATTR_BOOL: number
  }
  executeSingleOutput(operation: string, attributes: Attribute[], inputs: Tensor[]): Tensor
  executeMultipleOutputs(operation: string, attributes: Attribute[], inputs: Tensor[], outputs: number): Tensor[]
}

/**
 * TensorFlow's fused batch norm and ReLU gradient, which tfjs-node's addon can run but TensorFlow.js does not use: with
 * elementwise operations in their place, training steps of models with batch norm are much slower.
 */
export function createNativeKernels(tf: TensorFlow, backend: NodeBackend): Kernels {
  const { binding } = backend
  const float = (name: string): Attribute => ({ name, type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT })
  const batchNormAttributes: Attribute[] = [
    float('T'),
    float('U'),
    { name: 'epsilon', type: binding.TF_ATTR_FLOAT, value: BATCH_NORM_EPSILON },
    { name: 'data_format', type: binding.TF_ATTR_STRING, value: 'NHWC' },
    { name: 'is_training', type: binding.TF_ATTR_BOOL, value: true },
  ]

  return {
    ...createStockKernels(tf),

    reluGradient: (dy, y) => backend.executeSingleOutput('ReluGrad', [float('T')], [dy, y]),

    batchNorm(x, gamma, beta): BatchNormResult {
      const none = tf.tensor1d([])
      const inputs = [x, gamma, beta, none, none]
      const outputs = backend.executeMultipleOutputs('FusedBatchNormV3', batchNormAttributes, inputs, 6)
      const [y, mean, variance, ...reserves] = outputs as [Tensor4D, Tensor1D, Tensor1D, Tensor, Tensor, Tensor]
      return { y, mean, variance, saved: [x, gamma, ...reserves] }
    },

    batchNormGradient(dy, saved) {
      const [dx, dGamma, dBeta] = backend.executeMultipleOutputs(
        'FusedBatchNormGradV3',
        batchNormAttributes,
        [dy, ...saved],
        5,
      ) as [Tensor, Tensor, Tensor]
      return [dx, dGamma, dBeta]
    },
  }
}

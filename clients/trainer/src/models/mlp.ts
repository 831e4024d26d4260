import type { Tensor2D } from '@tensorflow/tfjs-core'
import type { Model, Network } from './network.js'

/** Two hidden layers with ReLU. Sized for the wasm backend, on which it trains fast where the convolutional models are slow. */
export function createMlp(network: Network, inputShape: readonly [number, number, number], classes: number): Model {
  const { tf, ops } = network.backend
  const pixels = inputShape[0] * inputShape[1] * inputShape[2]
  const first = network.dense('hidden1', pixels, 256, true)
  const second = network.dense('hidden2', 256, 128)
  const output = network.dense('output', 128, classes)
  return (images, pass) => {
    const x = tf.reshape(images, [-1, pixels]) as Tensor2D
    return output(ops.relu(second(ops.relu(first(x, pass)), pass)), pass)
  }
}

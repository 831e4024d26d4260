import type { Tensor4D } from '@tensorflow/tfjs-core'
import type { Layer, Model, Network } from './network.js'

/** Two convolutions and a way around them; where the shape changes, the way around is a 1x1 convolution. */
function createResidualBlock(
  network: Network,
  name: string,
  inputs: number,
  outputs: number,
  stride: number,
): Layer<Tensor4D, Tensor4D> {
  const { ops } = network.backend
  const first = network.convBlock(`${name}/first`, inputs, outputs, stride)
  const second = network.conv(`${name}/second/conv`, 3, outputs, outputs)
  const norm = network.batchNorm(`${name}/second/norm`, outputs)
  const sameShape = inputs === outputs && stride === 1
  const shortcut: Layer<Tensor4D, Tensor4D> = sameShape
    ? (x) => x
    : network.conv(`${name}/shortcut/conv`, 1, inputs, outputs, stride)
  return (x, pass) => ops.relu(ops.add(norm(second(first(x, pass), pass), pass), shortcut(x, pass)))
}

/** The residual network of the MLPerf Tiny benchmark (arXiv 2106.07597): three blocks, 16, 32 and 64 channels wide. */
export function createResnet8(
  network: Network,
  [, , channels]: readonly [number, number, number],
  classes: number,
): Model {
  const { ops } = network.backend
  const blocks = [
    network.convBlock('stem', channels, 16, 1, true),
    createResidualBlock(network, 'block1', 16, 16, 1),
    createResidualBlock(network, 'block2', 16, 32, 2),
    createResidualBlock(network, 'block3', 32, 64, 2),
  ]
  const output = network.dense('output', 64, classes)
  return (images, pass) => {
    const features = blocks.reduce((x, block) => block(x, pass), images)
    return output(ops.averagePixels(features), pass)
  }
}

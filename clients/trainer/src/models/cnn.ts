import type { Model, Network } from './network.js'

/** Four convolutions with batch norm, two of which halve the image; then the mean over its pixels. */
export function createCnn(network: Network, [, , channels]: readonly [number, number, number], classes: number): Model {
  const { ops } = network.backend
  const blocks = [
    network.convBlock('block1', channels, 16, 1, true),
    network.convBlock('block2', 16, 32, 2),
    network.convBlock('block3', 32, 64, 2),
    network.convBlock('block4', 64, 64),
  ]
  const output = network.dense('output', 64, classes)
  return (images, pass) => {
    const features = blocks.reduce((x, block) => block(x, pass), images)
    return output(ops.averagePixels(features), pass)
  }
}

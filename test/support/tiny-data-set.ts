import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from './random.js'

const side = 8

/** An IDX file: magic number, dimensions, bytes. */
function idx(shape: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header.writeUInt32BE(0x0800 + shape.length)
  shape.forEach((size, dimension) => {
    header.writeUInt32BE(size, 4 + 4 * dimension)
  })
  return Buffer.concat([header, values])
}

/**
 * Writes a data set in MNIST's format on which an epoch takes milliseconds: 8 x 8 pixels, two classes, of which one is dark
 * and one bright, with noise.
 */
export function writeTinyDataSet(folder: string, trainCount: number, testCount: number): void {
  mkdirSync(folder, { recursive: true })
  const random = seededRandom(1)
  for (const [part, count] of [
    ['train', trainCount],
    ['t10k', testCount],
  ] as const) {
    const labels = Uint8Array.from({ length: count }, (_, image) => image % 2)
    const images = Uint8Array.from({ length: count * side * side }, (_, pixel) => {
      const bright = Math.floor(pixel / (side * side)) % 2
      return 80 * bright + 175 * random()
    })
    writeFileSync(join(folder, `${part}-images-idx3-ubyte`), idx([count, side, side], images))
    writeFileSync(join(folder, `${part}-labels-idx1-ubyte`), idx([count], labels))
  }
}

import { DataError } from './data-error.js'
import type { DataSet, ImageSet } from './data-set.js'
import { type DataFile, readDataFile } from './read-data-file.js'

const side = 32
const channels = 3
const plane = side * side
const imageBytes = channels * plane

/** How a variant of the CIFAR binary format lays out its files and records. */
interface Variant {
  readonly format: 'cifar10' | 'cifar100'
  readonly classes: number
  /** Label bytes of a record; the last one is the class that is trained on. */
  readonly labelBytes: number
  readonly trainFiles: readonly string[]
  readonly testFile: string
}

export const cifar10: Variant = {
  format: 'cifar10',
  classes: 10,
  labelBytes: 1,
  trainFiles: [1, 2, 3, 4, 5].map((part) => `data_batch_${part}.bin`),
  testFile: 'test_batch.bin',
}

/** Records of CIFAR-100 have the coarse label, then the fine one. */
export const cifar100: Variant = {
  format: 'cifar100',
  classes: 100,
  labelBytes: 2,
  trainFiles: ['train.bin'],
  testFile: 'test.bin',
}

/**
 * Reads CIFAR-10 or CIFAR-100 in the binary format (https://www.cs.toronto.edu/~kriz/cifar.html): records of the label
 * bytes, then a red, a green and a blue plane of 32 x 32 bytes. Any number of records a file is taken.
 *
 * @throws {DataError} if a file is missing, empty or cut off inside a record, or a label is out of range
 */
export function readCifar(directory: string, variant: Variant): DataSet {
  return {
    format: variant.format,
    inputShape: [side, side, channels],
    classes: variant.classes,
    flippable: true,
    train: decodeRecords(
      variant.trainFiles.map((name) => readDataFile(directory, name)),
      variant,
    ),
    test: decodeRecords([readDataFile(directory, variant.testFile)], variant),
  }
}

function decodeRecords(files: readonly DataFile[], variant: Variant): ImageSet {
  const recordBytes = variant.labelBytes + imageBytes
  let count = 0
  for (const { path, bytes } of files) {
    if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
      throw new DataError(
        path,
        `truncated: its length of ${bytes.length} bytes is not a whole number of records of ${recordBytes} bytes`,
        `Fetch the file again; it must be the binary version of ${variant.format.toUpperCase()}`,
      )
    }
    count += bytes.length / recordBytes
  }
  const images = new Uint8Array(count * imageBytes)
  const labels = new Uint8Array(count)
  let image = 0
  for (const { path, bytes } of files) {
    for (let start = 0; start < bytes.length; start += recordBytes, image++) {
      const pixels = start + variant.labelBytes
      const label = bytes[pixels - 1] ?? 0
      if (label >= variant.classes) {
        throw new DataError(
          path,
          `label ${label} of record ${start / recordBytes} is out of range 0 to ${variant.classes - 1}`,
          `Check that the file is the binary version of ${variant.format.toUpperCase()}`,
        )
      }
      labels[image] = label
      interleave(bytes, pixels, images, image * imageBytes)
    }
  }
  return { count, images, labels }
}

/** Three planes to pixels of three channels, the layout that models take. */
function interleave(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      target[to + pixel * channels + channel] = source[from + channel * plane + pixel] ?? 0
    }
  }
}

import { type Augmentation, augmentationAt } from './augmentation.js'
import type { DataSet } from './data-set.js'
import { measureChannels, normalisationTable } from './normalisation.js'

/** Images and labels of a batch, as a classifier takes them. */
export interface Batch {
  /** Images x height x width x channels, normalised. A buffer of its own: a backend may keep it. */
  readonly images: Float32Array
  readonly labels: Uint8Array
}

/** What keys the augmentation of a batch. */
export interface AugmentationKey {
  /** 0 to 2^32 - 1. */
  readonly seed: number
  readonly epoch: number
  /** Position in the epoch's plan of the batch's first image. */
  readonly startPosition: number
}

/** Makes batches out of a data set's bytes, normalised by the mean and standard deviation of its training images. */
export class BatchMaker {
  readonly #data: DataSet
  readonly #imageLength: number
  readonly #table: Float32Array

  constructor(data: DataSet) {
    const [height, width, channels] = data.inputShape
    this.#data = data
    this.#imageLength = height * width * channels
    this.#table = normalisationTable(measureChannels(data.train, channels))
  }

  /**
   * The training images at the indices, in that order.
   *
   * @param key augments the images; left out, they stay as they are
   * @throws {RangeError} if an index is outside of the training set
   */
  trainBatch(indices: Uint32Array, key?: AugmentationKey): Batch {
    const { train, flippable } = this.#data
    const images = new Float32Array(indices.length * this.#imageLength)
    const labels = new Uint8Array(indices.length)
    indices.forEach((index, image) => {
      const label = train.labels[index]
      if (label === undefined) {
        throw new RangeError(`index ${index} is outside of the ${train.count} images of the training set`)
      }
      labels[image] = label
      const target = images.subarray(image * this.#imageLength, (image + 1) * this.#imageLength)
      const source = train.images.subarray(index * this.#imageLength, (index + 1) * this.#imageLength)
      if (key) this.#augment(source, target, augmentationAt(key.seed, key.epoch, key.startPosition + image, flippable))
      else this.#normalise(source, target)
    })
    return { images, labels }
  }

  /** Consecutive test images from `start` on: `size` of them, or as many as are left. */
  testBatch(start: number, size: number): Batch {
    const { test } = this.#data
    const source = test.images.subarray(start * this.#imageLength, (start + size) * this.#imageLength)
    const images = new Float32Array(source.length)
    this.#normalise(source, images)
    return { images, labels: test.labels.slice(start, start + size) }
  }

  #normalise(source: Uint8Array, target: Float32Array): void {
    const table = this.#table
    const channels = this.#data.inputShape[2]
    for (let channel = 0; channel < channels; channel++) {
      const row = channel * 256
      for (let at = channel; at < target.length; at += channels) target[at] = table[row + (source[at] ?? 0)] ?? 0
    }
  }

  #augment(source: Uint8Array, target: Float32Array, { flip, down, right }: Augmentation): void {
    const table = this.#table
    const [height, width, channels] = this.#data.inputShape
    let at = 0
    for (let y = 0; y < height; y++) {
      const row = reflect(y - down, height) * width
      for (let x = 0; x < width; x++) {
        const column = reflect((flip ? width - 1 - x : x) - right, width)
        const pixel = (row + column) * channels
        for (let channel = 0; channel < channels; channel++) {
          target[at++] = table[channel * 256 + (source[pixel + channel] ?? 0)] ?? 0
        }
      }
    }
  }
}

/** A coordinate up to {@link largestShift} outside of 0 to size - 1, mirrored at the edge pixel; in an image too small for that, the edge. */
function reflect(coordinate: number, size: number): number {
  const inside = coordinate < 0 ? -coordinate : coordinate >= size ? 2 * (size - 1) - coordinate : coordinate
  return Math.min(Math.max(inside, 0), size - 1)
}

/** Labelled images in memory, one byte a channel. */
export interface ImageSet {
  /** Number of images. */
  readonly count: number
  /** count x height x width x channels bytes, image after image, row after row, the channels of a pixel side by side. */
  readonly images: Uint8Array
  /** One class a image, 0 to classes - 1. */
  readonly labels: Uint8Array
}

/** A training set and a test set of images of one size. */
export interface DataSet {
  /** The format that the files were in. */
  readonly format: 'mnist' | 'cifar10' | 'cifar100'
  /** Height, width and channels of every image. */
  readonly inputShape: readonly [height: number, width: number, channels: number]
  /** Number of classes. */
  readonly classes: number
  /** Whether an image and its mirror image show the same thing, so that augmentation may flip it. */
  readonly flippable: boolean
  readonly train: ImageSet
  readonly test: ImageSet
}

/**
 * The first images of a training set, in file order.
 *
 * @param count at least 1; a count above the set's own leaves the set as it is
 */
export function takeFirst(set: ImageSet, count: number): ImageSet {
  if (count >= set.count) return set
  const bytes = set.images.length / set.count
  return { count, images: set.images.subarray(0, count * bytes), labels: set.labels.subarray(0, count) }
}

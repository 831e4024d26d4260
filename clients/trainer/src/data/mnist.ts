import { DataError } from './data-error.js'
import type { DataSet, ImageSet } from './data-set.js'
import { decodeIdx } from './idx.js'
import { readDataFile } from './read-data-file.js'

/** File names of the MNIST format, each plain or .gz. */
export const mnistFiles = {
  trainImages: 'train-images-idx3-ubyte',
  trainLabels: 'train-labels-idx1-ubyte',
  testImages: 't10k-images-idx3-ubyte',
  testLabels: 't10k-labels-idx1-ubyte',
} as const

/**
 * Reads a data set in MNIST's format (MNIST, Fashion-MNIST, KMNIST and sets of one's own): four IDX files of grey images
 * of any size and of labels. The number of classes is one more than the largest training label.
 *
 * @throws {DataError} if a file is missing or damaged, counts or sizes differ between files, or a label is out of range
 */
export function readMnist(directory: string): DataSet {
  const train = readPart(directory, mnistFiles.trainImages, mnistFiles.trainLabels)
  const test = readPart(directory, mnistFiles.testImages, mnistFiles.testLabels)
  if (train.height !== test.height || train.width !== test.width) {
    throw new DataError(
      test.imagesPath,
      `image size ${test.height} x ${test.width} is not the training images' ${train.height} x ${train.width}`,
      'Take both from the same data set',
    )
  }
  const classes = countClasses(train)
  const stray = test.labels.findIndex((label) => label >= classes)
  if (stray >= 0) {
    throw new DataError(
      test.labelsPath,
      `label ${test.labels[stray]} of image ${stray} is out of range: the training labels are 0 to ${classes - 1}`,
      'Take both from the same data set',
    )
  }
  return { format: 'mnist', inputShape: [train.height, train.width, 1], classes, flippable: false, train, test }
}

interface Part extends ImageSet {
  readonly height: number
  readonly width: number
  readonly imagesPath: string
  readonly labelsPath: string
}

function readPart(directory: string, imagesName: string, labelsName: string): Part {
  const imagesFile = readDataFile(directory, imagesName)
  const labelsFile = readDataFile(directory, labelsName)
  const { shape, values: images } = decodeIdx(imagesFile, 3)
  const { values: labels } = decodeIdx(labelsFile, 1)
  const [count = 0, height = 0, width = 0] = shape
  if (labels.length !== count) {
    throw new DataError(
      labelsFile.path,
      `count mismatch: ${labels.length} labels for the ${count} images of ${imagesFile.path}`,
      'Take both from the same data set',
    )
  }
  return { count, images, labels, height, width, imagesPath: imagesFile.path, labelsPath: labelsFile.path }
}

/** A damaged label byte would silently become a new class: so every class up to the largest must have an image. */
function countClasses(train: Part): number {
  const seen = new Uint8Array(256)
  for (const label of train.labels) seen[label] = 1
  const classes = seen.lastIndexOf(1) + 1
  const missing = seen.indexOf(0)
  if (missing >= 0 && missing < classes) {
    const image = train.labels.indexOf(classes - 1)
    throw new DataError(
      train.labelsPath,
      `label ${classes - 1} of image ${image} is out of range: labels are numbered from 0 without gaps, and no image has label ${missing}`,
      'Correct the label, or number the classes anew',
    )
  }
  if (classes < 2) throw new DataError(train.labelsPath, 'all labels are 0', 'Use a data set of 2 classes or more')
  return classes
}

import { fileURLToPath } from 'node:url'
import { cifar10, cifar100, readCifar } from './cifar.js'
import { DataError } from './data-error.js'
import type { DataSet } from './data-set.js'
import { mnistFiles, readMnist } from './mnist.js'
import { hasDataFile } from './read-data-file.js'

/** Folder of the bundled Fashion-MNIST subset: 10,000 training and 2,000 test images, class-balanced. */
export const bundledDataDirectory: string = fileURLToPath(new URL('../../data/fashion-mnist', import.meta.url))

/**
 * Reads the data set in a folder. The format is told by the names of its files, each of them plain or .gz.
 *
 * @throws {DataError} if the folder has no file of a known format, or a file of the format is missing or damaged
 */
export function readDataSet(directory: string): DataSet {
  const has = (names: readonly string[]) => names.some((name) => hasDataFile(directory, name))
  if (has(Object.values(mnistFiles))) return readMnist(directory)
  if (has(cifar10.trainFiles)) return readCifar(directory, cifar10)
  if (has(cifar100.trainFiles)) return readCifar(directory, cifar100)
  throw new DataError(
    directory,
    'no data set found',
    'The folder must hold the files of MNIST (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, ' +
      't10k-labels-idx1-ubyte), of CIFAR-10 (data_batch_1.bin to data_batch_5.bin, test_batch.bin) or of CIFAR-100 ' +
      '(train.bin, test.bin), each plain or with .gz added',
  )
}

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { ImageSet } from '../clients/trainer/src/data/data-set.js'
import { encodeIdx } from '../clients/trainer/src/data/idx.js'
import { mnistFiles, readMnist } from '../clients/trainer/src/data/mnist.js'
import { bundledDataDirectory } from '../clients/trainer/src/data/read-data-set.js'

const trainImagesPerClass = 1_000
const testImagesPerClass = 200

/** The first images of each class, kept in file order. */
function takePerClass(set: ImageSet, classes: number, perClass: number): ImageSet {
  const taken = new Array<number>(classes).fill(0)
  const chosen: number[] = []
  set.labels.forEach((label, index) => {
    const before = taken[label] ?? 0
    if (before === perClass) return
    taken[label] = before + 1
    chosen.push(index)
  })
  const bytes = set.images.length / set.count
  const images = new Uint8Array(chosen.length * bytes)
  chosen.forEach((index, image) => {
    images.set(set.images.subarray(index * bytes, (index + 1) * bytes), image * bytes)
  })
  return { count: chosen.length, images, labels: Uint8Array.from(chosen, (index) => set.labels[index] ?? 0) }
}

const [source, target = bundledDataDirectory] = process.argv.slice(2)
if (source === undefined) {
  console.error(
    'Usage: npx tsx scripts/make-fashion-mnist-subset.ts SOURCE [TARGET]\nSOURCE is a folder with the four IDX files of Fashion-MNIST, plain or .gz.',
  )
  process.exit(2)
}
const { train, test, classes, inputShape } = readMnist(source)
const [height, width] = inputShape
mkdirSync(target, { recursive: true })
const write = (name: string, shape: number[], values: Uint8Array) =>
  writeFileSync(join(target, `${name}.gz`), gzipSync(encodeIdx({ shape, values }), { level: 9 }))
const trainSubset = takePerClass(train, classes, trainImagesPerClass)
const testSubset = takePerClass(test, classes, testImagesPerClass)
write(mnistFiles.trainImages, [trainSubset.count, height, width], trainSubset.images)
write(mnistFiles.trainLabels, [trainSubset.count], trainSubset.labels)
write(mnistFiles.testImages, [testSubset.count, height, width], testSubset.images)
write(mnistFiles.testLabels, [testSubset.count], testSubset.labels)
console.log(
  `${trainSubset.count} training and ${testSubset.count} test images of ${classes} classes written to ${target}`,
)

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DataError } from './data-error.js'
import { takeFirst } from './data-set.js'
import { encodeIdx } from './idx.js'
import { bundledDataDirectory, readDataSet } from './read-data-set.js'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keepset-data-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const put = (name: string, bytes: Uint8Array) => writeFileSync(join(directory, name), bytes)
const idx = (shape: number[], values?: ArrayLike<number>) =>
  encodeIdx({
    shape,
    values: Uint8Array.from(values ?? { length: shape.reduce((a, b) => a * b) }, (value) => Number(value ?? 0)),
  })

function putMnist(): void {
  put('train-images-idx3-ubyte', idx([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]))
  put('train-labels-idx1-ubyte.gz', gzipSync(idx([3], [2, 0, 1])))
  put('t10k-images-idx3-ubyte.gz', gzipSync(idx([1, 2, 2], [13, 14, 15, 16])))
  put('t10k-labels-idx1-ubyte', idx([1], [2]))
}

/** A record whose red, green and blue planes hold their position plus 0, 1 and 2. */
const cifarRecord = (...labels: number[]) =>
  new Uint8Array([...labels, ...Array.from({ length: 3072 }, (_, i) => (i % 1024) + Math.floor(i / 1024))])

function putCifar10(): void {
  for (let part = 1; part <= 5; part++) put(`data_batch_${part}.bin`, cifarRecord(part))
  put('test_batch.bin.gz', gzipSync(new Uint8Array([...cifarRecord(0), ...cifarRecord(9)])))
}

describe('readDataSet on the MNIST format', () => {
  it('reads plain and compressed files', () => {
    putMnist()
    const data = readDataSet(directory)
    expect(data).toMatchObject({ format: 'mnist', inputShape: [2, 2, 1], classes: 3, flippable: false })
    expect([...data.train.images]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect([...data.train.labels]).toEqual([2, 0, 1])
    expect([...data.test.images, ...data.test.labels]).toEqual([13, 14, 15, 16, 2])
  })

  const cases: [what: string, name: string, bytes: Uint8Array, text: RegExp][] = [
    [
      'more labels than images',
      'train-labels-idx1-ubyte',
      idx([4], [0, 1, 2, 0]),
      /count mismatch: 4 labels for the 3 images/,
    ],
    [
      'test images of another size',
      't10k-images-idx3-ubyte',
      idx([1, 2, 3]),
      /image size 2 x 3 is not the training images' 2 x 2/,
    ],
    [
      'a stray training label',
      'train-labels-idx1-ubyte',
      idx([3], [0, 200, 1]),
      /label 200 of image 1 is out of range.*no image has label 2/,
    ],
    [
      'a stray test label',
      't10k-labels-idx1-ubyte',
      idx([1], [3]),
      /label 3 of image 0 is out of range: the training labels are 0 to 2/,
    ],
    ['one class', 'train-labels-idx1-ubyte', idx([3], [0, 0, 0]), /all labels are 0/],
    [
      'a damaged gzip stream',
      't10k-labels-idx1-ubyte.gz',
      gzipSync(idx([1], [2])).subarray(0, 15),
      /damaged gzip stream/,
    ],
  ]
  it.each(cases)('refuses %s', (_, name, bytes, text) => {
    putMnist()
    for (const old of [name, `${name}.gz`]) rmSync(join(directory, old), { force: true })
    rmSync(join(directory, name.replace(/\.gz$/, '')), { force: true })
    put(name, bytes)
    expect(() => readDataSet(directory)).toThrow(DataError)
    expect(() => readDataSet(directory)).toThrow(text)
    expect(() => readDataSet(directory)).toThrow(join(directory, name))
  })

  it('names a missing file', () => {
    putMnist()
    rmSync(join(directory, 't10k-labels-idx1-ubyte'))
    expect(() => readDataSet(directory)).toThrow(/t10k-labels-idx1-ubyte: file not found\. Put/)
  })
})

describe('readDataSet on the CIFAR binary format', () => {
  it('reads CIFAR-10, its planes turned into pixels', () => {
    putCifar10()
    const data = readDataSet(directory)
    expect(data).toMatchObject({ format: 'cifar10', inputShape: [32, 32, 3], classes: 10, flippable: true })
    expect([...data.train.labels]).toEqual([1, 2, 3, 4, 5])
    expect([...data.test.labels]).toEqual([0, 9])
    expect([...data.train.images.subarray(4 * 3072, 4 * 3072 + 6)]).toEqual([0, 1, 2, 1, 2, 3])
    expect(data.test.images.length).toBe(2 * 3072)
  })

  it('reads CIFAR-100 by its fine label', () => {
    put('train.bin', new Uint8Array([...cifarRecord(3, 99), ...cifarRecord(19, 7)]))
    put('test.bin', cifarRecord(0, 42))
    const data = readDataSet(directory)
    expect(data).toMatchObject({ format: 'cifar100', classes: 100 })
    expect([...data.train.labels, ...data.test.labels]).toEqual([99, 7, 42])
    expect([...data.train.images.subarray(3072, 3075)]).toEqual([0, 1, 2])
  })

  it.each([
    [
      'a file cut off inside a record',
      'data_batch_3.bin',
      cifarRecord(1).subarray(0, 3000),
      /data_batch_3\.bin: truncated: .*3000 bytes.*records of 3073 bytes/,
    ],
    ['an empty file', 'data_batch_3.bin', new Uint8Array(0), /data_batch_3\.bin: truncated/],
    [
      'a label out of range',
      'data_batch_2.bin',
      cifarRecord(10),
      /data_batch_2\.bin: label 10 of record 0 is out of range 0 to 9/,
    ],
  ])('refuses %s', (_, name, bytes, text) => {
    putCifar10()
    put(name, bytes)
    expect(() => readDataSet(directory)).toThrow(text)
  })

  it('names a missing part', () => {
    putCifar10()
    rmSync(join(directory, 'data_batch_4.bin'))
    expect(() => readDataSet(directory)).toThrow(/data_batch_4\.bin: file not found/)
  })
})

describe('readDataSet', () => {
  it.each(['', 'not-there'])('says which files it looks for in a folder without any (%j)', (name) => {
    expect(() => readDataSet(join(directory, name))).toThrow(
      /no data set found\. .*train-images-idx3-ubyte.*data_batch_1\.bin.*train\.bin/,
    )
  })

  it('reads the bundled subset: 1,000 training and 200 test images of each of 10 classes', () => {
    const { train, test, inputShape, classes } = readDataSet(bundledDataDirectory)
    expect([inputShape, classes, train.count, test.count]).toEqual([[28, 28, 1], 10, 10_000, 2_000])
    for (const [set, perClass] of [
      [train, 1_000],
      [test, 200],
    ] as const) {
      const counts = new Array<number>(10).fill(0)
      for (const label of set.labels) counts[label] = (counts[label] ?? 0) + 1
      expect(counts).toEqual(new Array(10).fill(perClass))
      expect(set.images.length).toBe(set.count * 28 * 28)
    }
  })
})

describe('takeFirst', () => {
  it('takes images and labels from the front, and never more than there are', () => {
    putMnist()
    const { train } = readDataSet(directory)
    const two = takeFirst(train, 2)
    expect([two.count, ...two.labels, ...two.images]).toEqual([2, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(takeFirst(train, 4)).toBe(train)
  })
})

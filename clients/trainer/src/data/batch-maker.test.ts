import { describe, expect, it } from 'vitest'
import { augmentationAt, largestShift } from './augmentation.js'
import { BatchMaker } from './batch-maker.js'
import type { DataSet } from './data-set.js'
import { measureChannels } from './normalisation.js'
import { bundledDataDirectory, readDataSet } from './read-data-set.js'

/** Images whose pixels are all different: index * 100 + position in the image. */
function makeData(height: number, width: number, channels: number, count: number, flippable = false): DataSet {
  const bytes = height * width * channels
  const set = {
    count,
    images: Uint8Array.from({ length: count * bytes }, (_, i) => Math.floor(i / bytes) * 100 + (i % bytes)),
    labels: Uint8Array.from({ length: count }, (_, i) => i),
  }
  return { format: 'mnist', inputShape: [height, width, channels], classes: count, flippable, train: set, test: set }
}

describe('measureChannels', () => {
  it('gives mean and population deviation of each channel, and 1 for a constant channel', () => {
    const set = { count: 2, images: Uint8Array.of(0, 7, 255, 7), labels: Uint8Array.of(0, 1) }
    const { mean, standardDeviation } = measureChannels(set, 2)
    expect(mean).toEqual([0.5, 7 / 255])
    expect(standardDeviation).toEqual([0.5, 1])
  })
})

describe('BatchMaker', () => {
  it('gathers the images and labels at the indices, in their order', () => {
    const data = makeData(2, 2, 1, 3)
    const { mean, standardDeviation } = measureChannels(data.train, 1)
    const { images, labels } = new BatchMaker(data).trainBatch(Uint32Array.of(2, 0, 2))
    expect([...labels]).toEqual([2, 0, 2])
    const bytes = [200, 201, 202, 203, 0, 1, 2, 3, 200, 201, 202, 203]
    images.forEach((value, i) => {
      expect(value).toBeCloseTo(((bytes[i] ?? 0) / 255 - (mean[0] ?? 0)) / (standardDeviation[0] ?? 0), 5)
    })
  })

  it('gives the whole training set mean 0 and deviation 1', () => {
    const data = readDataSet(bundledDataDirectory)
    const { images } = new BatchMaker(data).trainBatch(Uint32Array.from({ length: 10_000 }, (_, i) => i))
    let sum = 0
    let squares = 0
    for (const value of images) {
      sum += value
      squares += value * value
    }
    expect(sum / images.length).toBeCloseTo(0, 5)
    expect(squares / images.length).toBeCloseTo(1, 5)
  })

  it('normalises each channel by its own statistics', () => {
    const data = makeData(1, 2, 2, 2)
    const whole = new BatchMaker(data).trainBatch(Uint32Array.of(0, 1)).images
    for (const channel of [0, 1]) {
      const values = whole.filter((_, i) => i % 2 === channel)
      expect(values.reduce((a, b) => a + b)).toBeCloseTo(0, 5)
    }
  })

  it('takes the last test images as a smaller batch', () => {
    const maker = new BatchMaker(makeData(2, 2, 1, 3))
    expect([...maker.testBatch(2, 2).labels]).toEqual([2])
    expect(maker.testBatch(0, 2).images).toEqual(maker.trainBatch(Uint32Array.of(0, 1)).images)
  })

  it('refuses an index outside of the data set', () => {
    const maker = new BatchMaker(makeData(2, 2, 1, 3))
    expect(() => maker.trainBatch(Uint32Array.of(3))).toThrow(/index 3 is outside of the 3 images/)
  })

  it('augments as its key says: shifted with reflection, and mirrored', () => {
    const data = makeData(5, 5, 1, 1, true)
    const table = new BatchMaker(data).trainBatch(Uint32Array.of(0)).images
    const maker = new BatchMaker(data)
    const mirrored = (coordinate: number) =>
      coordinate < 0 ? -coordinate : coordinate > 4 ? 8 - coordinate : coordinate
    for (let position = 0; position < 40; position++) {
      const { flip, down, right } = augmentationAt(7, 3, position, true)
      const expected = Array.from({ length: 25 }, (_, i) => {
        const x = flip ? 4 - (i % 5) : i % 5
        return table[mirrored(Math.floor(i / 5) - down) * 5 + mirrored(x - right)]
      })
      expect([...maker.trainBatch(Uint32Array.of(0), { seed: 7, epoch: 3, startPosition: position }).images]).toEqual(
        expected,
      )
    }
  })

  it('augments an image by its position, however the epoch is cut into batches', () => {
    const maker = new BatchMaker(makeData(4, 4, 1, 3, true))
    const whole = maker.trainBatch(Uint32Array.of(0, 1, 2, 0), { seed: 1, epoch: 2, startPosition: 10 })
    const rest = maker.trainBatch(Uint32Array.of(2, 0), { seed: 1, epoch: 2, startPosition: 12 })
    expect(whole.images.subarray(2 * 16)).toEqual(rest.images)
  })
})

describe('augmentationAt', () => {
  it('draws every shift and flip about as often, and never flips what must not be', () => {
    const counts = new Map<string, number>()
    const draws = 50_000
    for (let position = 0; position < draws; position++) {
      const { flip, down, right } = augmentationAt(5, 1, position, true)
      counts.set(`${flip} ${down} ${right}`, (counts.get(`${flip} ${down} ${right}`) ?? 0) + 1)
      expect(augmentationAt(5, 1, position, false)).toEqual({ flip: false, down, right })
    }
    const cells = 2 * (2 * largestShift + 1) ** 2
    expect(counts.size).toBe(cells)
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - draws / cells) ** 2 / (draws / cells), 0)
    // 49 degrees of freedom: above 85.4 in 0.1 % of fair draws. Seed and positions are fixed, so this cannot flicker.
    expect(chiSquare).toBeLessThan(85.4)
  })

  it('depends on seed, epoch and position', () => {
    const at = (seed: number, epoch: number) =>
      JSON.stringify(Array.from({ length: 20 }, (_, position) => augmentationAt(seed, epoch, position, true)))
    expect(new Set([at(0, 0), at(0, 1), at(1, 0), at(1, 1)]).size).toBe(4)
    expect(at(1, 1)).toBe(at(1, 1))
  })
})

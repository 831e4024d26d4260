import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choose } from '../core/random/choose.js'
import { purpose, type RandomKey, RandomStream } from '../core/random/random-stream.js'
import { everything } from '../core/selection/everything.js'
import { KeptSet } from '../core/selection/kept-set.js'
import { toScoreKeys } from '../core/selection/score-keys.js'
import { selectTop } from '../core/selection/top.js'
import { SampleStatistics } from '../core/statistics/sample-statistics.js'
import { isEqual } from './testing/is-equal.js'
import { RunMemory } from './testing/run-memory.js'
import { fillColumns, type Sample, samples } from './testing/samples.js'

const keys: fc.Arbitrary<RandomKey> = fc.record({
  seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  epoch: fc.nat(0xffffffff),
  purpose: fc.constantFrom(...Object.values(purpose)),
})
const key: RandomKey = { seed: 0x9123456789abcdefn, epoch: 7, purpose: purpose.ties }
const streamOf = ({ seed, epoch, purpose }: RandomKey) => new RandomStream(seed, epoch, purpose)
const statisticsOf = (sampleCount: number) => new SampleStatistics(sampleCount, { alpha: 1, initial: 'first_loss' })
const weights = fc.oneof(fc.constantFrom(0, -0, 1, 2 ** -149, 1e30), fc.double({ min: 0, max: 1e30, noNaN: true }))

/** The kept set by core alone. */
function topByCore(values: readonly Sample[], count: number, c: number, ties: RandomKey): number[] {
  const statistics = statisticsOf(values.length)
  fillColumns(values, statistics)
  const weight = Math.fround(c)
  const scores = Float32Array.from(values, ({ mean, variance }) => mean + Math.fround(weight * variance))
  return [...selectTop(toScoreKeys(scores, statistics), count, streamOf(ties))]
}

function topByKernel(values: readonly Sample[], count: number, c: number, ties: RandomKey): RunMemory {
  const run = new RunMemory(values.length)
  fillColumns(values, run.arrays())
  run.kernels.addTop(run.bits, count, c, ties)
  expect(run.isIntact()).toBe(true)
  return run
}

describe('addTop', () => {
  it('takes what selectTop takes, for every count', () => {
    fc.assert(
      fc.property(samples, weights, keys, fc.nat(), (values, c, ties, at) => {
        for (const count of [0, at % (values.length + 1), values.length]) {
          expect(topByKernel(values, count, c, ties).taken()).toEqual(topByCore(values, count, c, ties))
        }
      }),
      { numRuns: 400 },
    )
  })

  it('ties -0 with 0 wherever they are', () => {
    // A score can be -0 only if c is.
    const zeros = Array.from({ length: 21 }, (_, i) => ({ mean: i % 2 ? 0 : -0, variance: 0, isSeen: true }))
    for (let count = 1; count < zeros.length; count++) {
      expect(topByKernel(zeros, count, -0, key).taken()).toEqual(topByCore(zeros, count, -0, key))
    }
  })

  it('never has a score without an order: 0 times the largest variance is 0', () => {
    const values = [0, 1].map((mean) => ({ mean, variance: 3.4028234663852886e38, isSeen: true }))
    expect(topByKernel(values, 1, 0, key).taken()).toEqual([1])
  })

  it('draws for more ties than random numbers are made at once', () => {
    const values = Array.from({ length: 5003 }, (_, i) => ({ mean: i % 3 && 1, variance: 0, isSeen: true }))
    expect(topByKernel(values, 2000, 1, key).taken()).toEqual(topByCore(values, 2000, 1, key))
  })
})

describe('addDrawn', () => {
  it('draws what choose draws from what is not in the set', () => {
    const sets = fc.array(fc.boolean(), { minLength: 1, maxLength: 200, size: 'max' })
    fc.assert(
      fc.property(sets, keys, fc.nat(), (isTaken, draw, at) => {
        const before = [...isTaken.keys()].filter((i) => isTaken[i])
        const rest = [...isTaken.keys()].filter((i) => !isTaken[i])
        for (const count of [0, at % (rest.length + 1), rest.length]) {
          const run = new RunMemory(isTaken.length)
          run.bitArray().set(KeptSet.of(before, isTaken.length).bits)
          run.kernels.addDrawn(run.bits, rest.length, count, draw)
          const drawn = [...choose(count, rest.length, streamOf(draw))].map((position) => rest[position] as number)
          expect(run.taken()).toEqual([...before, ...drawn].sort((a, b) => a - b))
          expect(run.isIntact()).toBe(true)
        }
      }),
      { numRuns: 400 },
    )
  })

  it('draws again where a number would favour some samples', () => {
    // Among 300,000 draws from about 2^20 samples some 50 are rejected.
    const length = 1_000_003
    const run = new RunMemory(length, 300_000)
    run.kernels.addDrawn(run.bits, length, 300_000, key)
    expect(run.kernels.expand(run.bits, run.items)).toBe(300_000)
    expect(isEqual(run.list('items'), choose(300_000, length, streamOf(key)))).toBe(true)
  })
})

describe('sets of samples', () => {
  const lists = fc
    .oneof(fc.integer({ min: 1, max: 150 }), fc.constantFrom(1, 8, 32, 64, 128))
    .chain((sampleCount) =>
      fc.tuple(
        fc.constant(sampleCount),
        fc.uniqueArray(fc.nat(sampleCount - 1), { maxLength: sampleCount, size: 'max' }),
      ),
    )

  it('countKept counts as SampleStatistics does, up to 65,535', () => {
    fc.assert(
      fc.property(lists, fc.constantFrom(0, 1, 65_534, 65_535), ([sampleCount, indices], start) => {
        const [run, statistics] = [new RunMemory(sampleCount), statisticsOf(sampleCount)]
        const kept = KeptSet.of(indices, sampleCount)
        run.bitArray().set(kept.bits)
        const { timesKept } = run.arrays()
        for (const column of [timesKept, statistics.timesKept]) column.fill(start)
        run.kernels.countKept(run.bits)
        statistics.countKept(kept)
        expect([...timesKept]).toEqual([...statistics.timesKept])
        expect(run.isIntact()).toBe(true)
      }),
    )
  })

  it('expand gives the samples in ascending order', () => {
    fc.assert(
      fc.property(lists, ([sampleCount, indices]) => {
        const run = new RunMemory(sampleCount, indices.length)
        run.bitArray().set(KeptSet.of(indices, sampleCount).bits)
        expect(run.kernels.expand(run.bits, run.items)).toBe(indices.length)
        expect([...run.list('items')]).toEqual(indices.toSorted((a, b) => a - b))
        expect(run.isIntact()).toBe(true)
      }),
    )
  })

  it.each([1, 7, 64, 1001])('iota gives all of %i samples', (sampleCount) => {
    const run = new RunMemory(sampleCount)
    run.kernels.iota(run.items)
    expect([...run.list('items')]).toEqual([...everything(sampleCount)])
    expect(run.isIntact()).toBe(true)
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runSettings } from './defaults.mjs'
import { below, choose, PURPOSE, philox4x32, share, shuffle, stream, top } from './draws.mjs'
import { format, makeVectors, VECTORS } from './make-vectors.mjs'
import { digest, OracleRun, observe, reasonAt, type SpecJson, shard } from './oracle.mjs'

const properties = { seed: 1, numRuns: 200 }
const seeds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const words = (...values: bigint[]) => values.values()
const range = (length: number) => Array.from({ length }, (_, index) => index)
const ascending = (list: readonly number[]) => list.toSorted((a, b) => a - b)

describe('Philox4x32-10', () => {
  // The three vectors of Random123's kat_vectors, "philox4x32 10".
  test.each([
    [[0n, 0n, 0n, 0n], [0n, 0n], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [
      [0xffffffffn, 0xffffffffn, 0xffffffffn, 0xffffffffn],
      [0xffffffffn, 0xffffffffn],
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      [0x243f6a88n, 0x85a308d3n, 0x13198a2en, 0x03707344n],
      [0xa4093822n, 0x299f31d0n],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ] as const)('counter %s, key %s', (counter, key, expected) => {
    const hex = philox4x32(counter, key).map((word) => word.toString(16).padStart(8, '0'))
    expect(hex.join(' ')).toBe(expected)
  })

  test('a stream is its blocks one after another, keyed by seed, epoch and purpose', () => {
    const seed = 0x299f31d0a4093822n
    const key = [0xa4093822n, 0x299f31d0n] as const
    const endless = stream(seed, 9, PURPOSE.ties)
    const taken = range(8).map(() => endless.next().value)
    expect(taken).toEqual([...philox4x32([0n, 9n, 3n, 0n], key), ...philox4x32([1n, 9n, 3n, 0n], key)])
  })
})

describe('draws', () => {
  test('below takes the high word and rejects the few words that would favour some answers', () => {
    expect(below(words(0xffffffffn), 3)).toBe(2)
    expect(below(words(0n, 0x80000000n), 3)).toBe(1) // 0 * 3 has a low word below 2^32 mod 3 = 1
    expect(below(words(0xaaaaaaabn), 3)).toBe(2) // its low word is exactly 1: taken
    const once = words(7n, 8n)
    expect(below(once, 1)).toBe(0)
    expect(once.next().value).toBe(8n)
  })

  test('choose gives a subset of the asked size in the order of the list', () => {
    fc.assert(
      fc.property(seeds, fc.nat(60), fc.nat(60), (seed, a, b) => {
        const [count, length] = a < b ? [a, b] : [b, a]
        const chosen = choose(stream(seed, 0, PURPOSE.draw), count, range(length))
        expect(chosen).toHaveLength(count)
        expect(new Set(chosen).size).toBe(count)
        expect(chosen.every((index) => index >= 0 && index < length)).toBe(true)
        expect(chosen).toEqual(ascending(chosen))
      }),
      properties,
    )
  })

  test('choose draws nothing once it has all', () => {
    const left = words(0n, 5n)
    expect(choose(left, 0, [1, 2, 3])).toEqual([])
    expect(choose(left, 1, [1, 2, 4, 8])).toEqual([1])
    expect(left.next().value).toBe(5n)
  })

  test('choose and shuffle are uniform: chi-squared below its 0.999 quantile', () => {
    const subsets = new Map<string, number>()
    const orders = new Map<string, number>()
    const count = (counts: Map<string, number>, list: number[]) =>
      counts.set(list.join(), (counts.get(list.join()) ?? 0) + 1)
    const rounds = 6000
    for (let epoch = 0; epoch < rounds; epoch++) {
      count(subsets, choose(stream(5n, epoch, PURPOSE.draw), 2, range(5)))
      count(orders, shuffle(stream(5n, epoch, PURPOSE.order), range(4)))
    }
    const chiSquared = (counts: Map<string, number>, cells: number) =>
      [...counts.values()].reduce((sum, seen) => sum + (seen - rounds / cells) ** 2 / (rounds / cells), 0)
    expect([subsets.size, orders.size]).toEqual([10, 24])
    expect(chiSquared(subsets, 10)).toBeLessThan(27.9) // 9 degrees of freedom
    expect(chiSquared(orders, 24)).toBeLessThan(49.7) // 23 degrees of freedom
  })

  test('shuffle splits by bytes, the lowest first, and discards what is left of a word', () => {
    const drawn = words(0x03ff0003n, 0xffff0000n, 0xaa020102n, 0n, 0xffffffffn, 7n)
    // Bytes 3, 0, 255, 3, 0, 0 for a to f: buckets bef, ad and c. Bytes 2, 1, 2 split bef again, into e and bf.
    // 0 swaps b and f; 2^32 - 1 leaves a and d; what is alone draws nothing.
    expect(shuffle(drawn, [...'abcdef'], 2).join('')).toBe('efbadc')
    expect(drawn.next().value).toBe(7n)
  })

  test('shuffle gives a permutation and leaves its argument alone', () => {
    fc.assert(
      fc.property(seeds, fc.nat(80), (seed, length) => {
        const list = range(length)
        expect(ascending(shuffle(stream(seed, 3, PURPOSE.order), list))).toEqual(list)
        expect(list).toEqual(range(length))
      }),
      properties,
    )
  })
})

describe('counts', () => {
  test.each([
    [1 - 0.9, 10, 1], // 0.9999999999999998
    [0.29, 100, 29], // 28.999999999999996
    [2 / 3, 100, 66],
    [0.5, 5, 2],
    [0.999999, 1, 0],
    [1, 7, 7],
    [0, 7, 0],
  ])('share(%d, %d) = %d', (x, n, expected) => {
    expect(share(x, n)).toBe(expected)
  })

  test('share(1 - (n - a) / n, n) = a', () => {
    for (let n = 1; n <= 300; n++) {
      expect(range(n + 1).map((a) => share(1 - (n - a) / n, n))).toEqual(range(n + 1))
    }
  })
})

describe('statistics and selection', () => {
  const unseen = { mean: 0, variance: 0, seen: false }

  test('observe, worked by hand with alpha 1/2', () => {
    const first = observe(unseen, 4, 0.5)
    expect(first).toEqual({ mean: 4, variance: 0, seen: true })
    const second = observe(first, 2, 0.5)
    expect(second).toEqual({ mean: 3, variance: 2, seen: true })
    expect(observe(second, 7, 0.5)).toEqual({ mean: 5, variance: 9, seen: true })
    expect(observe(unseen, 4, 0.5, 'INITIAL_STATISTICS_ZERO')).toEqual({ mean: 2, variance: 8, seen: true })
  })

  test('statistics stay finite f32 whatever the finite losses', () => {
    const f32 = fc.float({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(fc.array(f32, { maxLength: 8 }), fc.double({ min: 1e-30, max: 1, noNaN: true }), (losses, alpha) => {
        const { mean, variance } = losses.reduce((statistic, loss) => observe(statistic, loss, alpha), unseen)
        expect(Number.isFinite(mean) && Number.isFinite(variance) && variance >= 0).toBe(true)
        expect([Math.fround(mean), Math.fround(variance)]).toEqual([mean, variance])
      }),
      properties,
    )
  })

  test('top takes the unseen first, then the largest, and draws only among the tied', () => {
    const scores = [5, 9, 0, 7, -0, 0, Infinity]
    const seen = [true, true, true, true, true, true, true]
    const open = () => stream(1n, 1, PURPOSE.ties)
    expect(top(3, scores, seen, open())).toEqual([1, 3, 6])
    expect(top(2, scores, seen.with(0, false), open())).toEqual([0, 6])
    const drawn = top(6, scores, seen, open())
    expect(drawn).toEqual(ascending([0, 1, 3, 6, ...choose(open(), 2, [2, 4, 5])]))
    expect(top(7, scores, seen, words())).toEqual(range(7))
    expect(top(0, scores, seen, words())).toEqual([])
  })
})

describe('epochs', () => {
  test.each([
    [undefined, 10],
    [1, 1],
    [9, 1],
    [10, 1],
    [29, 1],
    [30, 2],
    [49, 2],
    [50, 3],
    [200, 10],
  ])('total_epochs %s: selection period %d', (totalEpochs, expected) => {
    const spec: SpecJson = { sampleCount: 1, ucb: {}, ...(totalEpochs === undefined ? {} : { totalEpochs }) }
    expect(runSettings(spec).selectionPeriod).toBe(expected)
  })

  test('reasons of a run with warm-up, period, a change of the rate, and tail', () => {
    const spec: SpecJson = {
      sampleCount: 10,
      totalEpochs: 10,
      warmupEpochs: 2,
      tailEpochs: 2,
      selectionPeriod: 3,
      pruneRateSchedule: [{ fromEpoch: 6, pruneRate: 0.5 }],
    }
    const letters = range(10).map((epoch) => reasonAt(spec, epoch)[0])
    expect(letters.join('')).toBe('WWSRRSSRTT')
  })
})

describe('runs', () => {
  const specs = fc
    .record({
      sampleCount: fc.integer({ min: 8, max: 60 }),
      seed: seeds.map(String),
      pruneRate: fc.constantFrom(0, 0.1, 0.3, 0.5),
      selectionPeriod: fc.integer({ min: 1, max: 3 }),
      warmupEpochs: fc.nat(2),
      positionMultiple: fc.integer({ min: 1, max: 4 }),
    })
    .chain((spec) =>
      fc.constantFrom<SpecJson>(
        { ...spec, staticRandom: {} },
        { ...spec, random: {} },
        { ...spec, epsilonGreedy: {} },
        { ...spec, ucb: {} },
      ),
    )

  test('ranks cover the kept set with PAD and no sample is on two; the order does not depend on the world size', () => {
    fc.assert(
      fc.property(specs, fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }), (spec, worlds) => {
        const [run, alone] = [new OracleRun(spec), new OracleRun(spec)]
        for (const worldSize of worlds) {
          const plan = run.planEpoch(worldSize)
          const single = alone.planEpoch(1)
          expect({ ...single, ranks: [], scoring: [] }).toEqual({ ...plan, ranks: [], scoring: [] })
          expect(plan.keptCount).toBe(
            plan.reason === 'WARMUP' ? spec.sampleCount : share(1 - (spec.pruneRate ?? 0), spec.sampleCount),
          )
          expect(ascending(plan.order)).toEqual(plan.keptSet)
          expect(ascending(plan.ranks.flatMap((positions) => [...new Set(positions)]))).toEqual(plan.keptSet)
          expect(new Set(plan.ranks.map((positions) => positions.length)).size).toBe(1)
          for (const positions of plan.ranks) run.report(positions, positions.map(Math.sqrt))
          // In another order, which must not matter.
          for (const positions of plan.ranks.toReversed()) alone.report(positions, positions.map(Math.sqrt))
        }
        expect(alone.statistics).toEqual(run.statistics)
      }),
      properties,
    )
  })

  test('shard, worked by hand', () => {
    const order = [4, 0, 3, 1, 2]
    const pad: SpecJson = { sampleCount: 5, positionMultiple: 2 }
    const drop: SpecJson = { ...pad, shardMode: 'SHARD_MODE_DROP' }
    expect(shard(pad, order, 2)).toEqual([
      [4, 3, 2, 4],
      [0, 1, 0, 0],
    ])
    expect(shard(drop, order, 2)).toEqual([
      [4, 3],
      [0, 1],
    ])
    expect(() => shard(pad, order, 6)).toThrow(RangeError)
    expect(() => shard(drop, order, 3)).toThrow(RangeError)
  })

  test('digest is SHA-256 of packed little-endian u32', () => {
    // printf '\x01\0\0\0\x02\x01\0\0' | sha256sum
    expect(digest([1, 258])).toBe('fb8bbe2ad3ab5292f19bc5d75bbab9b5fbddc5a78ce47ab41b2d3d59bca08596')
  })
})

describe('vectors', () => {
  test('numbers survive the JSON', () => {
    expect(format([-0, 2 ** -149, Number.NaN, -Infinity])).toBe('[-0.0,1.401298464324817e-45,"NaN","-Infinity"]')
    expect(Object.is(JSON.parse('-0.0'), -0)).toBe(true)
  })

  test('the committed files are what make-vectors makes', () => {
    const made = makeVectors()
    expect(readdirSync(VECTORS).sort()).toEqual([...made.keys()].sort())
    for (const [file, text] of made) {
      expect(readFileSync(join(VECTORS, file), 'utf8') === text, `${file} differs: run make-vectors.mjs`).toBe(true)
    }
  })
})

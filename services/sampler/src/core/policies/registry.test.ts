import { describe, expect, it } from 'vitest'
import { PlainKeptSetBuilder } from '../selection/plain-kept-set-builder.js'
import { SampleStatistics } from '../statistics/sample-statistics.js'
import { type PolicyChoice, resolvePolicy, selectKeptSet, statisticsSettings } from './registry.js'
import { requestFor } from './testing/select-from.js'

const epsilonGreedy: PolicyChoice = { name: 'epsilon_greedy', epsilon: 0.2, alpha: 0.8, initial: 'first_loss' }

function select(choice: PolicyChoice, losses: number[], keptCount: number, { seed = 0n, epoch = 1 } = {}): number[] {
  const statistics = new SampleStatistics(losses.length, statisticsSettings(choice))
  for (const [i, loss] of losses.entries()) statistics.observe(i, loss)
  const request = { ...requestFor(choice), keptCount, epoch, seed }
  return [...selectKeptSet(request, new PlainKeptSetBuilder(statistics)).indices()]
}

/** How often each of n samples is kept over many seeds. */
function countKept(choice: PolicyChoice, losses: number[], keptCount: number, seeds: number): number[] {
  const counts = new Array(losses.length).fill(0)
  for (let seed = 0; seed < seeds; seed++)
    for (const i of select(choice, losses, keptCount, { seed: BigInt(seed) })) counts[i]++
  return counts
}

const chiSquared = (counts: number[], expected: number) =>
  counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)

const rising = Array.from({ length: 40 }, (_, i) => i)

describe('selectKeptSet', () => {
  it('full keeps everything', () => {
    expect(select({ name: 'full' }, rising, 40)).toEqual(rising)
  })

  it('random keeps every sample equally often (chi-squared, 40 samples, 20 kept, 4,000 selections)', () => {
    // Drawing without replacement halves the variance of a count: the statistic is scaled by (n - 1) / (n - k) to be chi-squared.
    const counts = countKept({ name: 'random' }, rising, 20, 4000)
    expect((chiSquared(counts, 2000) * 39) / 20).toBeLessThan(72.06) // 99.9 %, 39 degrees of freedom
  })

  it('random draws anew at each selection, static_random never does', () => {
    const at = (name: 'random' | 'static_random', epoch: number) => select({ name }, rising, 20, { epoch }).join()
    expect(at('random', 1)).not.toBe(at('random', 2))
    expect(at('static_random', 1)).toBe(at('static_random', 2))
  })

  it('static_random keeps every sample equally often over seeds', () => {
    const counts = countKept({ name: 'static_random' }, rising, 20, 4000)
    expect((chiSquared(counts, 2000) * 39) / 20).toBeLessThan(72.06)
  })

  it('epsilon_greedy takes the hardest, and explores uniformly among all the others', () => {
    const counts = countKept(epsilonGreedy, rising, 20, 4000)
    expect(counts.slice(24)).toEqual(new Array(16).fill(4000)) // 20 - floor(0.2 * 20) hardest
    // 4 of the other 24, each with probability 1 / 6
    expect((chiSquared(counts.slice(0, 24), 4000 / 6) * 23) / 20).toBeLessThan(49.73) // 99.9 %, 23 degrees of freedom
  })

  it('epsilon_greedy with epsilon 1 is a uniform draw, with epsilon 0 the hardest alone', () => {
    const uniform = countKept({ ...epsilonGreedy, epsilon: 1 }, rising, 20, 4000)
    expect((chiSquared(uniform, 2000) * 39) / 20).toBeLessThan(72.06)
    expect(select({ ...epsilonGreedy, epsilon: 0 }, rising, 20)).toEqual(rising.slice(20))
  })

  it('order_dp keeps the largest last losses of a pool that is drawn anew, each sample being in it equally often', () => {
    // With a pool of 30 of 40 and 20 kept, sample i is kept if it is in the pool and fewer than 20 above it are.
    const counts = countKept({ name: 'order_dp', poolRate: 0.75 }, rising, 20, 4000)
    expect(counts.slice(0, 10)).toEqual(new Array(10).fill(0))
    expect((chiSquared(counts.slice(20), 3000) * 39) / 10).toBeLessThan(45.31) // 99.9 %, 20 degrees of freedom
    expect(counts[10]).toBeLessThan(counts[19] as number)
    expect(select({ name: 'order_dp', poolRate: 1 }, rising, 20)).toEqual(rising.slice(20))
    const drawn = select({ name: 'random' }, rising, 20)
    expect(select({ name: 'order_dp', poolRate: 0.1 }, rising, 20)).toEqual(drawn)
  })

  it('ucb adds c times the variance to the mean', () => {
    const choice: PolicyChoice = { name: 'ucb', c: 1, alpha: 0.5, initial: 'first_loss' }
    const statistics = new SampleStatistics(3, choice)
    // means 3, 3.5, 4; variances 4 * 0.5 / 2 ... sample 0 swings, sample 2 does not
    for (const [index, loss] of [
      [0, 1],
      [0, 5],
      [1, 3],
      [1, 4],
      [2, 4],
      [2, 4],
    ] as const)
      statistics.observe(index, loss)
    const kept = (policy: PolicyChoice) =>
      selectKeptSet({ ...requestFor(policy), keptCount: 1 }, new PlainKeptSetBuilder(statistics)).indices()
    // scores: 3 + 8 = 11, 3.5 + 0.5 = 4, 4 + 0 = 4
    expect([...kept(choice)]).toEqual([0])
    expect([...kept({ ...choice, c: 0 })]).toEqual([2])
  })

  it('leaves the statistics as they are', () => {
    const statistics = new SampleStatistics(3, statisticsSettings(epsilonGreedy))
    for (const i of [0, 1, 2]) statistics.observe(i, -i)
    const means = [...statistics.mean]
    selectKeptSet({ ...requestFor(epsilonGreedy), keptCount: 2 }, new PlainKeptSetBuilder(statistics))
    expect([...statistics.mean]).toEqual(means)
  })

  it('bounds weights by the cap, where there is one', () => {
    const statistics = new SampleStatistics(6, statisticsSettings(epsilonGreedy))
    const choice: PolicyChoice = { name: 'info_batch', r: 0.5 }
    for (const [i, loss] of [1, 1, 1, 1, 1, 9].entries()) statistics.observe(i, loss)
    const weights = (cap: number | undefined) => {
      const request = { ...requestFor(choice), keptCount: 6, weights: { cap } }
      return [...(selectKeptSet(request, new PlainKeptSetBuilder(statistics, true)).weights ?? [])]
    }
    expect(weights(undefined)).toEqual([2.5, 2.5, 1])
    expect(weights(2)).toEqual([2, 2, 1])
  })
})

describe('resolvePolicy', () => {
  it("fills in the paper's defaults", () => {
    expect(resolvePolicy('ucb', {}).choice).toEqual({ name: 'ucb', c: 1, alpha: 0.8, initial: 'first_loss' })
    expect(resolvePolicy('epsilon_greedy', { epsilon: 0.3 }).choice).toEqual({
      name: 'epsilon_greedy',
      epsilon: 0.3,
      alpha: 0.8,
      initial: 'first_loss',
    })
  })

  it.each([
    ['epsilon_greedy', { epsilon: -0.1 }, 'epsilon'],
    ['epsilon_greedy', { epsilon: 1.1 }, 'epsilon'],
    ['epsilon_greedy', { epsilon: Number.NaN }, 'epsilon'],
    ['epsilon_greedy', { alpha: 0 }, 'alpha'],
    ['ucb', { c: -1 }, 'c'],
    ['ucb', { c: Number.POSITIVE_INFINITY }, 'c'],
    ['ucb', { alpha: 2 }, 'alpha'],
    ['order_dp', { poolRate: -0.1 }, 'pool_rate'],
    ['order_dp', { poolRate: 1.1 }, 'pool_rate'],
  ] as const)('%s refuses %j', (name, given, field) => {
    expect(resolvePolicy(name, given).violations.map((violation) => violation.field)).toEqual([field])
  })
})

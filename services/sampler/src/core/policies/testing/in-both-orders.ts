import { purpose, RandomStream } from '../../random/random-stream.js'
import { neededMetrics, type PolicyChoice } from '../registry.js'
import { ObservedSamples } from './observed-samples.js'

const SAMPLES = 20
const EPOCHS = 7

/**
 * The policy's own columns after some epochs of two reports each, of random samples: once with the first report of each epoch before the second, and once
 * with the second before the first. Metrics are 0 or 1.
 */
export function inBothOrders(policy: PolicyChoice, seed: number) {
  const random = new RandomStream(BigInt(seed), 0, purpose.draw)
  const metrics = neededMetrics(policy)
  const oneWay = new ObservedSamples(policy, SAMPLES)
  const otherWay = new ObservedSamples(policy, SAMPLES)
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    // In the first report, in the second, or in none.
    const places = Array.from({ length: SAMPLES }, () => random.below(3))
    const reports = [0, 1].map((place) => {
      const indices = [...places.keys()].filter((index) => places[index] === place)
      const losses = indices.map(() => random.below(1000) / 64)
      const values = Object.fromEntries(metrics.map((name) => [name, indices.map(() => random.below(2))]))
      return [indices, losses, values] as const
    })
    for (const report of reports) oneWay.report(epoch, ...report)
    for (const report of reports.reverse()) otherWay.report(epoch, ...report)
  }
  return [oneWay.own(), otherWay.own()] as const
}

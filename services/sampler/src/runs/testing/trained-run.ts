import { positionCount } from '../../core/plans/sharding.js'
import { rankPositions } from '../../core/plans/testing/rank-positions.js'
import type { RunOwner } from '../run-owner.js'

/** A loss that depends on sample and epoch alone, with ties and now and then one that is not finite. */
const lossOf = (index: number, epoch: number) =>
  (index + epoch) % 23 === 0 ? Number.NaN : ((index * 7 + epoch * 3) % 11) / 4

/** The same of a metric, by its place. */
const metricOf = (index: number, epoch: number, place: number) =>
  (index + epoch + place) % 5 === 0 ? Number.POSITIVE_INFINITY : ((index + epoch) % (place + 2)) / 2

interface TrainOptions {
  readonly worldSize?: number
  readonly batchSize?: number
  /** Stop after so many reports of each rank. */
  readonly reports?: number
}

const never = new AbortController().signal

/** Plans an epoch for all ranks and reports its losses, with the metrics of the run. Returns the digest of the plan. */
export async function trainEpoch(
  owner: RunOwner,
  epoch: number,
  { worldSize = 1, batchSize = 7, reports = Number.POSITIVE_INFINITY }: TrainOptions = {},
): Promise<string> {
  const ranks = Array.from({ length: worldSize }, (_, rank) => rank)
  const generation = owner.run.generation
  const [plan] = await Promise.all(
    ranks.map((rank) => {
      const lastSequence = owner.run.lastSequence(epoch - 1, rank)
      const request = { generation, epoch, rank, worldSize, lastSequence, startPosition: 0 }
      return owner.planEpoch(request, Number.POSITIVE_INFINITY, never)
    }),
  )
  if (!plan) throw new Error('no rank asked')
  const positions = positionCount(plan.keptCount, plan.sharding)
  for (const rank of ranks) {
    for (let start = 0, sequence = 1; start < positions && sequence <= reports; start += batchSize, sequence++) {
      const end = Math.min(start + batchSize, positions)
      const indices = rankPositions(plan.order, rank, plan.sharding, start, end)
      const losses = Float32Array.from(indices, (index) => lossOf(index, epoch))
      const metrics = owner.run.spec.metrics.flatMap((name, place) => {
        const values = Float32Array.from(indices, (index) => metricOf(index, epoch, place))
        return (sequence + place) % 3 === 0 ? [] : [{ name, values }]
      })
      const report = { generation, epoch, rank, sequence, indices, losses }
      await owner.report(metrics.length > 0 ? { ...report, metrics: metrics.toReversed() } : report)
    }
  }
  return plan.digest.toString('hex')
}

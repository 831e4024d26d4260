import { positionCount } from '../../core/plans/sharding.js'
import { rankPositions } from '../../core/plans/testing/rank-positions.js'
import type { RunOwner } from '../run-owner.js'
import { scorePositions } from './score-positions.js'

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

/** Plans an epoch for all ranks and reports its losses, with the metrics of the run, those of what is to be scored last. Returns the digest of the plan. */
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
  const { spec } = owner.run
  const positions = positionCount(plan.keptCount, plan.sharding)
  for (const rank of ranks) {
    const batches = [
      ...batchesOf(rankPositions(plan.order, rank, plan.sharding, 0, positions), batchSize),
      ...batchesOf(scorePositions(plan, rank), batchSize),
    ]
    for (const [i, indices] of batches.slice(0, reports).entries()) {
      const sequence = i + 1
      const each = Float32Array.from(indices, (index) => lossOf(index, epoch))
      const losses = spec.scoreSource === 'batch_loss' ? each.subarray(0, 1) : each
      const metrics = spec.metrics.flatMap((name, place) => {
        const values = Float32Array.from(indices, (index) => metricOf(index, epoch, place))
        return (sequence + place) % 3 === 0 ? [] : [{ name, values }]
      })
      const report = { generation, epoch, rank, sequence, indices, losses }
      await owner.report(metrics.length > 0 ? { ...report, metrics: metrics.toReversed() } : report)
    }
  }
  return plan.digest.toString('hex')
}

function batchesOf(positions: Uint32Array, batchSize: number): Uint32Array[] {
  return Array.from({ length: Math.ceil(positions.length / batchSize) }, (_, i) =>
    positions.slice(i * batchSize, (i + 1) * batchSize),
  )
}

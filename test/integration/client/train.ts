import type { Plan, Run } from '@keepset/client'

/** What a rank saw of one epoch. */
export interface TrainedEpoch {
  readonly digest: string
  readonly reason: string
  readonly indices: readonly number[]
  readonly reports: number
}

/** A loss that depends on sample and epoch alone, so that every training of the same run reports the same. */
export function lossOf(index: number, epoch: number): number {
  return Math.fround(((index * 2_654_435_761 + epoch * 40_503) % 10_007) / 1_000)
}

/** Trains one rank on one plan: nothing but reports. */
export async function trainEpoch(plan: Plan, batchSize: number): Promise<TrainedEpoch> {
  const indices: number[] = []
  let reports = 0
  for await (const batch of plan.batches(batchSize)) {
    indices.push(...batch.indices)
    plan.report(
      batch,
      Array.from(batch.indices, (index) => lossOf(index, plan.epoch)),
    )
    reports++
  }
  return { digest: plan.digest, reason: plan.reason, indices, reports }
}

/** Trains one rank for several epochs. */
export async function trainRank(
  run: Run,
  shape: { readonly rank: number; readonly worldSize: number; readonly epochs: number; readonly batchSize: number },
): Promise<TrainedEpoch[]> {
  const { rank, worldSize, epochs, batchSize } = shape
  const trained: TrainedEpoch[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    trained.push(await trainEpoch(await run.planEpoch(epoch, { rank, worldSize }), batchSize))
  }
  return trained
}

import type { SamplerStubs } from '../../support/test-sampler.js'

/** A loss that depends on sample and epoch alone, with ties: whoever reports the same epochs reports the same. */
function lossOf(index: number, epoch: number): number {
  return Math.fround(((index * 7919 + epoch * 104_729) % 101) / 8)
}

interface EpochShape {
  readonly worldSize?: number
  readonly batchSize?: number
  readonly losses?: ((index: number, epoch: number) => number) | undefined
  /** Stop after so many reports of each rank. */
  readonly reports?: number
}

/** Plans an epoch for all ranks and reports its losses; the digest of the plan, as hexadecimal digits. */
export async function trainEpoch(
  sampler: SamplerStubs,
  runId: string,
  epoch: number,
  { worldSize = 1, batchSize = 16, losses = lossOf, reports = Number.POSITIVE_INFINITY }: EpochShape = {},
): Promise<string> {
  const plans = await sampler.planAll(worldSize, { runId, epoch })
  for (const [rank, { indices }] of plans.entries()) {
    const count = Math.min(reports, Math.ceil(indices.length / batchSize))
    for (let sequence = 1; sequence <= count; sequence++) {
      const batch = indices.slice((sequence - 1) * batchSize, sequence * batchSize)
      const values = batch.map((index) => losses(index, epoch))
      await sampler.report({ runId, epoch, rank, sequence, indices: batch, losses: values })
    }
  }
  return plans[0]?.header.digest.toString('hex') ?? ''
}

import { createHash } from 'node:crypto'
import type { CreateRunOptions, Plan, Run } from '@keepset/client'
import { lossOf } from './loss-of.js'
import type { Notes } from './transcript.js'

/** A training without a model. */
export interface Training {
  readonly settings: CreateRunOptions & { readonly runId: string; readonly epochs: number }
  readonly worldSize: number
  readonly batchSize: number
}

/** To whom a trainer tells what it does. */
export interface Witness {
  readonly notes: Notes
  /** Called for each plan asked for, and each report handed over. */
  tick(): void
  /** Ends the trainer. */
  readonly signal: AbortSignal
}

/** How long a rank waits for a plan: the others may be waiting for a sampler that is killed again and again. */
export const PLAN_TIMEOUT_MS = 240_000

/** Trains on a plan: nothing but reports. Leaves off after `limit` of them; returns how many there were. */
export async function trainPlan(
  plan: Plan,
  { batchSize }: Training,
  { notes, tick }: Witness,
  limit = Number.POSITIVE_INFINITY,
): Promise<number> {
  notes.noteDigest(plan, plan.digest)
  const order = createHash('sha256')
  let reports = 0
  for await (const batch of plan.batches(batchSize)) {
    if (reports === limit) return reports
    order.update(batch.indices)
    plan.report(
      batch,
      Float32Array.from(batch.indices, (index) => lossOf(index, plan.epoch)),
    )
    reports++
    tick()
  }
  if (plan.startPosition === 0) notes.noteOrder(plan, order.digest('hex'))
  return reports
}

/** Trains one rank on the epochs from `from` to before `to`. */
export async function trainRank(
  run: Run,
  rank: number,
  training: Training,
  witness: Witness,
  { from, to } = { from: 0, to: training.settings.epochs },
): Promise<void> {
  for (let epoch = from; epoch < to; epoch++) {
    witness.tick()
    const plan = await run.planEpoch(epoch, { rank, worldSize: training.worldSize, timeoutMs: PLAN_TIMEOUT_MS })
    await trainPlan(plan, training, witness)
  }
}

/** One call for each rank, at once. */
export async function eachRank<T>({ worldSize }: Training, action: (rank: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: worldSize }, (_, rank) => action(rank)))
}

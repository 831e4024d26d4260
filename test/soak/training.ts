import { createHash } from 'node:crypto'
import type { CreateRunOptions, MetricValues, Plan, Run } from '@keepset/client'
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
  { batchSize, settings }: Training,
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
      metricsOf(settings.metrics, batch.indices, plan.epoch),
    )
    reports++
    tick()
  }
  if (plan.startPosition === 0) notes.noteOrder(plan, order.digest('hex'))
  return reports
}

/** Values of metrics that depend on sample and epoch alone, as losses do. */
function metricsOf(names: readonly string[] = [], indices: Uint32Array, epoch: number): MetricValues {
  return Object.fromEntries(
    names.map((name, place) => [
      name,
      Float32Array.from(indices, (index) => lossOf(index, epoch + 1000 * (place + 1))),
    ]),
  )
}

/** The plan of an epoch from the position on that a rank's reports have come to: what a trainer without a model goes on with after a restart. */
export async function planRest(run: Run, epoch: number, rank: number, training: Training): Promise<Plan> {
  const { worldSize, batchSize } = training
  let startPosition = 0
  for (;;) {
    const plan = await run.planEpoch(epoch, { rank, worldSize, startPosition, timeoutMs: PLAN_TIMEOUT_MS })
    startPosition = Math.min(plan.appliedSequence * batchSize, plan.positionCount)
    // Otherwise there are more than it was asked for with: at first, and while reports of a client that was dropped still come.
    if (plan.startPosition === startPosition) return plan
  }
}

/** Trains one rank on the epochs from `from`, what is left of it, to before `to`. */
export async function trainRank(
  run: Run,
  rank: number,
  training: Training,
  witness: Witness,
  { from, to } = { from: 0, to: training.settings.epochs },
): Promise<void> {
  for (let epoch = from; epoch < to; epoch++) {
    witness.tick()
    await trainPlan(await planRest(run, epoch, rank, training), training, witness)
  }
}

/** One call for each rank, at once. */
export async function eachRank<T>({ worldSize }: Training, action: (rank: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: worldSize }, (_, rank) => action(rank)))
}

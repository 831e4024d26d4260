import { toOrderOfEpoch } from '../core/plans/order.js'
import { everything } from '../core/selection/everything.js'
import { KeptSet } from '../core/selection/kept-set.js'
import { PlainKeptSetBuilder } from '../core/selection/plain-kept-set-builder.js'
import { columnLayout } from '../core/statistics/column-layout.js'
import { columnsIn } from '../core/statistics/statistics-columns.js'
import { KernelKeptSetBuilder } from '../kernels/kernel-kept-set-builder.js'
import { compileKernels, isSimdAvailable, Kernels } from '../kernels/kernels.js'
import { orderOfEpoch } from '../kernels/order-of-epoch.js'
import { choose } from '../runs/make-plan.js'
import { planArrays } from '../runs/plan.js'
import type { Choice, MadePlan, PlanWork } from '../runs/ports.js'

/** The parts of a kept set, which is a class, as they pass between threads. */
export type KeptParts = Pick<KeptSet, 'bits' | 'count' | 'weights'>

/** What is computed for an epoch, as it passes between threads: the statistics stay where they are. */
export interface PlanJob extends Omit<PlanWork, 'statistics' | 'kept'> {
  readonly memory: WebAssembly.Memory
  readonly sampleCount: number
  /** Columns beside those that every run has. */
  readonly metricCount: number
  /** A kept set, or how one is chosen; undefined: everything. */
  readonly kept: KeptParts | ChoiceParts | undefined
}

interface ChoiceParts extends Omit<Choice, 'previous'> {
  readonly previous: KeptParts
}

/** What came of it. */
export interface PlanJobResult extends Omit<MadePlan, 'keptSet'> {
  readonly keptSet: KeptParts | undefined
}

/** The parts of a set, or of a choice, that pass between threads. */
export function partsOf(kept: PlanWork['kept']): PlanJob['kept'] {
  if (kept === undefined) return undefined
  if (kept instanceof KeptSet) return setParts(kept)
  // What came of the selection before is told by its samples alone.
  const { bits, count } = kept.previous
  return { ...kept, previous: { bits, count, weights: undefined } }
}

export const setParts = ({ bits, count, weights }: KeptSet): KeptParts => ({ bits, count, weights })
export const setOf = ({ bits, count, weights }: KeptParts): KeptSet => new KeptSet(bits, count, weights)

/** Does a job: by the kernels, or where this machine does not run them, by their twins. */
export function runPlanJob(job: PlanJob, withKernels = isSimdAvailable()): MadePlan {
  const { sampleCount, seed, epoch } = job
  const { keptSet, summary } = keptSetOf(job, withKernels)
  const order = withKernels
    ? orderOfEpoch(keptSet, sampleCount, seed, epoch)
    : toOrderOfEpoch(keptSet?.indices() ?? everything(sampleCount), seed, epoch)
  return { keptSet, summary, ...planArrays(order, { ...job, keptSet }) }
}

function keptSetOf(job: PlanJob, withKernels: boolean): Pick<MadePlan, 'keptSet' | 'summary'> {
  const { memory, kept, epoch, seed } = job
  if (kept === undefined) return { keptSet: undefined, summary: undefined }
  if (!('request' in kept)) return { keptSet: setOf(kept), summary: undefined }
  const layout = columnLayout(job.sampleCount, job.metricCount)
  const withWeights = kept.request.weights !== undefined
  const builder = withKernels
    ? new KernelKeptSetBuilder(new Kernels(compileKernels(), memory, layout), memory, layout, withWeights)
    : new PlainKeptSetBuilder(columnsIn(memory, layout), withWeights)
  return choose({ ...kept, previous: setOf(kept.previous) }, { seed, epoch }, builder)
}

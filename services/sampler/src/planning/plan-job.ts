import { toOrderOfEpoch } from '../core/plans/order.js'
import type { Sharding } from '../core/plans/sharding.js'
import { type PolicyChoice, selectKeptSet } from '../core/policies/registry.js'
import { everything } from '../core/selection/everything.js'
import { KeptSet } from '../core/selection/kept-set.js'
import { PlainKeptSetBuilder } from '../core/selection/plain-kept-set-builder.js'
import { columnLayout } from '../core/statistics/column-layout.js'
import { columnsIn } from '../core/statistics/statistics-columns.js'
import { KernelKeptSetBuilder } from '../kernels/kernel-kept-set-builder.js'
import { compileKernels, isSimdAvailable, Kernels } from '../kernels/kernels.js'
import { orderOfEpoch } from '../kernels/order-of-epoch.js'
import { type PlanArrays, planArrays } from '../runs/plan.js'

/** The parts of a kept set, which is a class, as they pass between threads. */
type KeptParts = Pick<KeptSet, 'bits' | 'count'>

/** What is computed for an epoch, as it passes between threads: the statistics stay where they are. */
export interface PlanJob {
  readonly memory: WebAssembly.Memory
  readonly sampleCount: number
  readonly metricCount: number
  readonly seed: bigint
  readonly epoch: number
  readonly sharding: Sharding
  /** A kept set, or how one is chosen; undefined: everything. */
  readonly kept: KeptParts | { readonly policy: PolicyChoice; readonly keptCount: number } | undefined
}

/** What came of it. */
export interface PlanJobResult extends PlanArrays {
  readonly keptSet: KeptParts | undefined
}

/** Does a job: by the kernels, or where this machine does not run them, by their twins. */
export function runPlanJob(job: PlanJob, withKernels = isSimdAvailable()): PlanJobResult {
  const { sampleCount, seed, epoch, sharding } = job
  const keptSet = keptSetOf(job, withKernels)
  const order = withKernels
    ? orderOfEpoch(keptSet, sampleCount, seed, epoch)
    : toOrderOfEpoch(keptSet?.indices() ?? everything(sampleCount), seed, epoch)
  return { keptSet, ...planArrays(order, sampleCount, sharding) }
}

function keptSetOf({ memory, kept, epoch, seed, ...job }: PlanJob, withKernels: boolean): KeptSet | undefined {
  if (kept === undefined) return undefined
  if (!('policy' in kept)) return new KeptSet(kept.bits, kept.count)
  const layout = columnLayout(job.sampleCount, job.metricCount)
  const builder = withKernels
    ? new KernelKeptSetBuilder(new Kernels(compileKernels(), memory, layout), memory, layout)
    : new PlainKeptSetBuilder(columnsIn(memory, layout))
  return selectKeptSet(kept.policy, { builder, keptCount: kept.keptCount, epoch, seed })
}

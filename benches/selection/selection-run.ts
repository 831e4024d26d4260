import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toOrderOfEpoch } from '../../services/sampler/src/core/plans/order.js'
import {
  resolvePolicy,
  type SelectionRequest,
  selectKeptSet,
} from '../../services/sampler/src/core/policies/registry.js'
import { KeptSet } from '../../services/sampler/src/core/selection/kept-set.js'
import type { KeptSetBuilder } from '../../services/sampler/src/core/selection/kept-set-builder.js'
import { PlainKeptSetBuilder } from '../../services/sampler/src/core/selection/plain-kept-set-builder.js'
import { columnLayout } from '../../services/sampler/src/core/statistics/column-layout.js'
import { defaultStatistics, SampleStatistics } from '../../services/sampler/src/core/statistics/sample-statistics.js'
import { KernelKeptSetBuilder } from '../../services/sampler/src/kernels/kernel-kept-set-builder.js'
import { compileKernels, Kernels } from '../../services/sampler/src/kernels/kernels.js'
import { orderOfEpoch } from '../../services/sampler/src/kernels/order-of-epoch.js'
import { WorkerPlanner } from '../../services/sampler/src/planning/worker-planner.js'
import type { MadePlan } from '../../services/sampler/src/runs/ports.js'
import { timed } from '../support/by-turns.js'
import { observeTwice } from '../support/gamma-losses.js'
import type { LineChild } from '../support/line-child.js'

const policy = resolvePolicy('ucb', {}).choice
const sharding = { worldSize: 1, shardMode: 'pad', positionMultiple: 1 } as const

/** The statistics of a run, and each way to choose half of its samples. All but those with a result answer with milliseconds. */
export class SelectionRun {
  readonly statistics: SampleStatistics
  readonly keptCount: number
  readonly #seed: bigint
  readonly #planner = new WorkerPlanner()
  readonly #numpy: LineChild

  private constructor(sampleCount: number, seed: number, numpy: LineChild) {
    this.statistics = new SampleStatistics(sampleCount, defaultStatistics)
    this.keptCount = sampleCount >>> 1
    this.#seed = BigInt(seed)
    this.#numpy = numpy
    observeTwice(this.statistics, seed)
  }

  static async open(sampleCount: number, seed: number, dataDir: string, numpy: LineChild): Promise<SelectionRun> {
    const run = new SelectionRun(sampleCount, seed, numpy)
    const files: Record<string, string> = {}
    for (const name of ['mean', 'variance', 'observations'] as const) {
      files[name] = join(dataDir, name)
      await writeFile(files[name], run.statistics[name])
    }
    await numpy.ask({ task: 'load', of: 'selection', kind: 'selection', ...files })
    return run
  }

  planner(epoch: number): Promise<number> {
    return timed(() => this.plan(epoch))
  }

  plan(epoch: number): Promise<MadePlan> {
    const { statistics } = this
    return this.#planner.make({
      statistics,
      seed: this.#seed,
      epoch,
      sharding,
      isScored: false,
      kept: { request: this.#request, previous: KeptSet.of([], 0) },
    })
  }

  kernels(epoch: number): Promise<number> {
    return timed(() => this.orderByKernels(epoch))
  }

  orderByKernels(epoch: number): Uint32Array {
    const { memory, sampleCount } = this.statistics
    if (!memory) throw new Error(`a run of ${sampleCount} samples is too small for the kernels`)
    const layout = columnLayout(sampleCount, 0)
    const builder = new KernelKeptSetBuilder(new Kernels(compileKernels(), memory, layout), memory, layout)
    return orderOfEpoch(this.#select(builder, epoch), sampleCount, this.#seed, epoch)
  }

  twin(epoch: number): Promise<number> {
    return timed(() => this.orderByTwin(epoch))
  }

  orderByTwin(epoch: number): Uint32Array {
    const keptSet = this.#select(new PlainKeptSetBuilder(this.statistics), epoch)
    return toOrderOfEpoch(keptSet.indices(), this.#seed, epoch)
  }

  numpy(seed: number): Promise<{ ms: number; count: number; least: number }> {
    return this.#numpy.ask({ task: 'numpy', of: 'selection', kept_count: this.keptCount, seed })
  }

  async infobatch(seed: number): Promise<number> {
    return (await this.#numpy.ask<{ ms: number }>({ task: 'infobatch', of: 'selection', seed })).ms
  }

  close(): Promise<void> {
    return this.#planner.close()
  }

  get #request(): SelectionRequest {
    const rest = {
      pruneRate: 0.5,
      totalEpochs: undefined,
      selectionPeriod: 1,
      selections: 0,
      columnNames: [],
      weights: undefined,
    }
    return { policy, keptCount: this.keptCount, ...rest }
  }

  #select(builder: KeptSetBuilder, epoch: number) {
    return selectKeptSet({ ...this.#request, epoch, seed: this.#seed }, builder)
  }
}

/** Throws unless all ways choose alike: ours the same order, NumPy as many samples down to the same score. */
export async function checkTheSame(run: SelectionRun, withTwin: boolean): Promise<void> {
  const { order } = await run.plan(1)
  const { mean, variance } = run.statistics
  const others = [run.orderByKernels(1), ...(withTwin ? [run.orderByTwin(1)] : [])]
  for (const other of others) {
    if (other.length !== order.length || other.some((index, i) => index !== order[i])) {
      throw new Error('two ways came to different orders')
    }
  }
  let least = Number.POSITIVE_INFINITY
  for (const index of order) least = Math.min(least, Math.fround((mean[index] as number) + (variance[index] as number)))
  const numpy = await run.numpy(1)
  if (numpy.count !== order.length || numpy.least !== least) {
    throw new Error(`NumPy kept ${numpy.count} samples down to ${numpy.least}, we ${order.length} down to ${least}`)
  }
}

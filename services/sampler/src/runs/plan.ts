import { createHash } from 'node:crypto'
import type { PlanReason } from '../core/plans/epoch-rule.js'
import { leftOutCount } from '../core/plans/left-out-walk.js'
import { toOrderOfEpoch } from '../core/plans/order.js'
import { ownCount, ownersOf, positionCount, type Sharding } from '../core/plans/sharding.js'
import { everything } from '../core/selection/everything.js'
import type { KeptSet } from '../core/selection/kept-set.js'

/** What decides a plan. */
interface PlanParts {
  readonly epoch: number
  readonly reason: PlanReason
  readonly selectionEpoch: number
  /** Undefined: everything. */
  readonly keptSet: KeptSet | undefined
  readonly sampleCount: number
  readonly seed: bigint
  readonly sharding: Sharding
  readonly saving: number
  readonly generation: number
  /** Whether the samples that it leaves out are scored. */
  readonly isScored: boolean
  /** What a trainer shall multiply its learning rate with. */
  readonly learningRateFactor: number
}

/** What follows from the parts of a plan, and takes long to compute where there are millions of samples. */
export interface PlanArrays {
  /** The kept set in training order, over all ranks. */
  readonly order: Uint32Array
  /** Weight of the loss at each place of `order`; undefined: 1 for all. */
  readonly weights: Float32Array | undefined
  /** SHA-256 of `order` as packed little-endian u32. */
  readonly digest: Buffer
  /** Per sample: rank + 1 of the rank that has it, 0 for none. Undefined where one rank has all that is kept. */
  readonly owners: Uint16Array | undefined
}

/** What an epoch trains on. */
export class Plan {
  readonly epoch: number
  readonly reason: PlanReason
  /** Epoch at which the kept set was chosen; the epoch itself where it is everything. */
  readonly selectionEpoch: number
  readonly sharding: Sharding
  /** The run's saving, this epoch included. */
  readonly saving: number
  /** The run's life that the plan belongs to. */
  readonly generation: number
  /** N. */
  readonly sampleCount: number
  readonly seed: bigint
  /** Undefined: everything. */
  readonly keptSet: KeptSet | undefined
  /** Samples that are at a position of some rank: all that are kept, but for those that `shardMode` drop leaves out. */
  readonly plannedCount: number
  readonly learningRateFactor: number
  /** Whether the samples that it leaves out are scored: dealt to the ranks in ascending order, so that none is left out again. */
  readonly isScored: boolean
  #order: Pick<PlanArrays, 'order' | 'weights'> | undefined
  #arrays: Omit<PlanArrays, 'order' | 'weights'> | undefined

  constructor(parts: PlanParts) {
    this.epoch = parts.epoch
    this.reason = parts.reason
    this.selectionEpoch = parts.selectionEpoch
    this.sharding = parts.sharding
    this.saving = parts.saving
    this.generation = parts.generation
    this.sampleCount = parts.sampleCount
    this.seed = parts.seed
    this.keptSet = parts.keptSet
    this.learningRateFactor = parts.learningRateFactor
    const { worldSize, shardMode } = parts.sharding
    this.isScored = parts.isScored
    const positions = worldSize * positionCount(this.keptCount, parts.sharding)
    const trained = shardMode === 'drop' ? positions : Math.min(this.keptCount, positions)
    this.plannedCount = trained + (this.isScored ? this.sampleCount - this.keptCount : 0)
  }

  /** Number of samples kept, over all ranks. */
  get keptCount(): number {
    return this.keptSet?.count ?? this.sampleCount
  }

  /** Whether its arrays are there: a replay of old epochs needs none, and who decides by a plan has them computed before. */
  get isReady(): boolean {
    return this.#arrays !== undefined
  }

  /** Whether its order is there, too. */
  get hasOrder(): boolean {
    return this.#order !== undefined
  }

  /** Takes the arrays as they were computed elsewhere. */
  supply({ order, weights, ...arrays }: PlanArrays): void {
    this.#order = { order, weights }
    this.#arrays = arrays
  }

  /** Lets go of the order, of which every rank has its part: it takes as much memory as the mean loss of each sample, and can be computed again. */
  forgetOrder(): void {
    this.#order = undefined
  }

  /** The kept set in training order. */
  get order(): Uint32Array {
    return this.#ordered.order
  }

  /** Weight of the loss at each place of the order; undefined: 1 for all. */
  get weights(): Float32Array | undefined {
    return this.#ordered.weights
  }

  /** Samples that a rank is to score. */
  scoreCount(rank: number): number {
    if (!this.isScored || !this.keptSet) return 0
    return leftOutCount(this.keptSet, this.sampleCount, rank, this.sharding.worldSize)
  }

  /** Whether a sample of the plan is trained on, and not only scored. */
  isTrained(index: number): boolean {
    return this.keptSet?.has(index) ?? true
  }

  get digest(): Buffer {
    return this.#made.digest
  }

  /** Where the first of these samples is that is at none of the rank's positions; -1 where there is none. */
  findForeign(indices: Uint32Array, rank: number): number {
    const { owners } = this.#made
    if (!owners) return rank === 0 ? this.#findNotKept(indices) : 0
    for (let i = 0; i < indices.length; i++) {
      if (owners[indices[i] as number] !== rank + 1) return i
    }
    return -1
  }

  #findNotKept(indices: Uint32Array): number {
    const { keptSet, sampleCount, isScored } = this
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] as number
      if (index >= sampleCount || (!isScored && keptSet?.has(index) === false)) return i
    }
    return -1
  }

  get #ordered(): Pick<PlanArrays, 'order' | 'weights'> {
    if (!this.#order) this.supply(computePlan(this))
    return this.#order as Pick<PlanArrays, 'order' | 'weights'>
  }

  get #made(): Omit<PlanArrays, 'order' | 'weights'> {
    if (!this.#arrays) this.supply(computePlan(this))
    return this.#arrays as Omit<PlanArrays, 'order' | 'weights'>
  }
}

/** What `computePlan` needs of a plan. */
export type PlanInput = Pick<Plan, 'keptSet' | 'sampleCount' | 'seed' | 'epoch' | 'sharding' | 'isScored'>

/** The arrays of a plan, in plain TypeScript. */
export function computePlan(input: PlanInput): PlanArrays {
  const { keptSet, sampleCount, seed, epoch } = input
  return planArrays(toOrderOfEpoch(keptSet?.indices() ?? everything(sampleCount), seed, epoch), input)
}

/** The arrays of a plan, of which the order is there. */
export function planArrays(order: Uint32Array, shared: Omit<PlanInput, 'seed' | 'epoch'>): PlanArrays {
  const { keptSet, sampleCount, sharding } = shared
  return {
    order,
    weights: keptSet && weightsOf(order, keptSet, sampleCount),
    digest: createHash('sha256').update(order).digest(),
    owners: ownCount(order.length, 0, sharding) === order.length ? undefined : allOwners(order, shared),
  }
}

/** The ranks that train on a sample or score it. */
function allOwners(order: Uint32Array, shared: Omit<PlanInput, 'seed' | 'epoch'>): Uint16Array {
  const { keptSet, sampleCount, sharding, isScored } = shared
  const owners = ownersOf(order, sampleCount, sharding)
  if (!isScored || !keptSet) return owners
  let leftOut = 0
  for (let index = 0; index < sampleCount; index++) {
    if (!keptSet.has(index)) owners[index] = 1 + (leftOut++ % sharding.worldSize)
  }
  return owners
}

/** The weights of a kept set in the order in which it is trained on. */
function weightsOf(order: Uint32Array, keptSet: KeptSet, sampleCount: number): Float32Array | undefined {
  const { weights } = keptSet
  if (!weights) return undefined
  const bySample = new Float32Array(sampleCount)
  keptSet.indices().forEach((index, i) => {
    bySample[index] = weights[i] as number
  })
  return Float32Array.from(order, (index) => bySample[index] as number)
}

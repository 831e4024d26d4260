import { createHash } from 'node:crypto'
import type { PlanReason } from '../core/plans/epoch-rule.js'
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
}

/** What follows from the parts of a plan, and takes long to compute where there are millions of samples. */
export interface PlanArrays {
  /** The kept set in training order, over all ranks. */
  readonly order: Uint32Array
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
  #order: Uint32Array | undefined
  #arrays: Omit<PlanArrays, 'order'> | undefined

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
    const { worldSize, shardMode } = parts.sharding
    const positions = worldSize * positionCount(this.keptCount, parts.sharding)
    this.plannedCount = shardMode === 'drop' ? positions : Math.min(this.keptCount, positions)
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
  supply({ order, ...arrays }: PlanArrays): void {
    this.#order = order
    this.#arrays = arrays
  }

  /** Lets go of the order, of which every rank has its part: it takes as much memory as the mean loss of each sample, and can be computed again. */
  forgetOrder(): void {
    this.#order = undefined
  }

  get order(): Uint32Array {
    if (!this.#order) this.supply(computePlan(this))
    return this.#order as Uint32Array
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
    const { keptSet, sampleCount } = this
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] as number
      if (index >= sampleCount || keptSet?.has(index) === false) return i
    }
    return -1
  }

  get #made(): Omit<PlanArrays, 'order'> {
    if (!this.#arrays) this.supply(computePlan(this))
    return this.#arrays as Omit<PlanArrays, 'order'>
  }
}

/** What `computePlan` needs of a plan. */
export type PlanInput = Pick<Plan, 'keptSet' | 'sampleCount' | 'seed' | 'epoch' | 'sharding'>

/** The arrays of a plan, in plain TypeScript. */
export function computePlan({ keptSet, sampleCount, seed, epoch, sharding }: PlanInput): PlanArrays {
  return planArrays(toOrderOfEpoch(keptSet?.indices() ?? everything(sampleCount), seed, epoch), sampleCount, sharding)
}

/** The arrays of a plan, of which the order is there. */
export function planArrays(order: Uint32Array, sampleCount: number, sharding: Sharding): PlanArrays {
  const isOneRanks = ownCount(order.length, 0, sharding) === order.length
  return {
    order,
    digest: createHash('sha256').update(order).digest(),
    owners: isOneRanks ? undefined : ownersOf(order, sampleCount, sharding),
  }
}

import { createHash } from 'node:crypto'
import type { PlanReason } from '../core/plans/epoch-rule.js'
import { orderOfEpoch } from '../core/plans/order.js'
import type { Sharding } from '../core/plans/sharding.js'
import { everything } from '../core/selection/everything.js'

/** What decides a plan. */
interface PlanParts {
  readonly epoch: number
  readonly reason: PlanReason
  readonly selectionEpoch: number
  /** Undefined: everything. */
  readonly keptSet: Uint32Array | undefined
  readonly sampleCount: number
  readonly seed: bigint
  readonly sharding: Sharding
  readonly saving: number
  readonly generation: number
}

/** What an epoch trains on. Order and digest are computed when they are first asked for: a replay of old epochs needs neither. */
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
  /** Number of samples kept, over all ranks. */
  readonly keptCount: number
  readonly #keptSet: Uint32Array | undefined
  readonly #seed: bigint
  #order: Uint32Array | undefined
  #digest: Buffer | undefined

  constructor(parts: PlanParts) {
    this.epoch = parts.epoch
    this.reason = parts.reason
    this.selectionEpoch = parts.selectionEpoch
    this.sharding = parts.sharding
    this.saving = parts.saving
    this.generation = parts.generation
    this.keptCount = parts.keptSet?.length ?? parts.sampleCount
    this.#keptSet = parts.keptSet
    this.#seed = parts.seed
  }

  /** The kept set in training order, over all ranks. */
  get order(): Uint32Array {
    this.#order ??= orderOfEpoch(this.#keptSet ?? everything(this.keptCount), this.#seed, this.epoch)
    return this.#order
  }

  /** SHA-256 of `order` as packed little-endian u32. */
  get digest(): Buffer {
    this.#digest ??= createHash('sha256').update(this.order).digest()
    return this.#digest
  }
}

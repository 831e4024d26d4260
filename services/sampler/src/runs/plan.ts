import { createHash } from 'node:crypto'
import type { PlanReason } from '../core/plans/epoch-rule.js'
import { orderOfEpoch } from '../core/plans/order.js'
import type { Sharding } from '../core/plans/sharding.js'

/** What decides a plan. */
interface PlanParts {
  readonly epoch: number
  readonly reason: PlanReason
  readonly selectionEpoch: number
  readonly keptSet: Uint32Array
  readonly seed: bigint
  readonly sharding: Sharding
  readonly saving: number
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
  readonly #keptSet: Uint32Array
  readonly #seed: bigint
  #order: Uint32Array | undefined
  #digest: Buffer | undefined

  constructor({ epoch, reason, selectionEpoch, keptSet, seed, sharding, saving }: PlanParts) {
    this.epoch = epoch
    this.reason = reason
    this.selectionEpoch = selectionEpoch
    this.sharding = sharding
    this.saving = saving
    this.#keptSet = keptSet
    this.#seed = seed
  }

  /** Number of samples kept, over all ranks. */
  get keptCount(): number {
    return this.#keptSet.length
  }

  /** The kept set in training order, over all ranks. */
  get order(): Uint32Array {
    this.#order ??= orderOfEpoch(this.#keptSet, this.#seed, this.epoch)
    return this.#order
  }

  /** SHA-256 of `order` as packed little-endian u32. */
  get digest(): Buffer {
    this.#digest ??= createHash('sha256').update(this.order).digest()
    return this.#digest
  }
}

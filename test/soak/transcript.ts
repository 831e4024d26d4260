import { strictEqual } from 'node:assert/strict'

/** One rank's plan of one epoch. */
export interface PlanOfRank {
  readonly epoch: number
  readonly rank: number
}

/** Takes down what a rank was told to train on. */
export interface Notes {
  /** The plan's digest. */
  noteDigest(plan: PlanOfRank, digest: string): void
  /** SHA-256 of the indices as the rank read them, where it read them all. */
  noteOrder(plan: PlanOfRank, order: string): void
}

/** What the ranks of a run were told to train on; by "epoch, rank". Noting throws where the same epoch had another plan or order before. */
export class Transcript implements Notes {
  readonly digests: Record<string, string> = {}
  readonly orders: Record<string, string> = {}

  noteDigest(plan: PlanOfRank, digest: string): void {
    this.#note('digests', plan, digest)
  }

  noteOrder(plan: PlanOfRank, order: string): void {
    this.#note('orders', plan, order)
  }

  #note(what: 'digests' | 'orders', { epoch, rank }: PlanOfRank, value: string): void {
    const key = `${epoch}, ${rank}`
    this[what][key] ??= value
    strictEqual(value, this[what][key], `what epoch and rank ${key} trains on changed (${what})`)
  }
}

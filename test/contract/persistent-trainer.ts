import { positionCount } from '../../services/sampler/src/core/plans/sharding.js'
import { rankPositions } from '../../services/sampler/src/core/plans/testing/rank-positions.js'
import type { Plan } from '../../services/sampler/src/runs/plan.js'
import { RunError } from '../../services/sampler/src/runs/run-error.js'
import type { RunRegistry } from '../../services/sampler/src/runs/run-registry.js'
import { requestedSpec } from '../../services/sampler/src/runs/testing/requested-spec.js'

const RUN_ID = 'run'
const WORLD_SIZE = 2
const BATCH = 3
const EPOCHS = 4
/** In each life, once this epoch is trained, the run is taken back, and trained again from there; not so in the last one. The start of epoch 0 is then kept no more. */
const REWINDS = [
  { after: 2, to: 1 },
  { after: 2, to: 0 },
]
/** Epoch starts that the store is to keep. */
export const KEPT_STARTS = 2

const metrics = ['correct', 'margin']
const spec = requestedSpec({ sampleCount: 20, seed: 7n, selectionPeriod: 1, totalEpochs: EPOCHS, metrics })
const ranks = Array.from({ length: WORLD_SIZE }, (_, rank) => rank)

/** A loss that depends on sample and epoch alone, with ties. */
const lossOf = (index: number, epoch: number) => ((index * 7 + epoch * 3) % 11) / 4

/** What a training came to. */
export interface TrainingOutcome {
  /** Orders of all plans, in the order of the epochs, those of the first life first. */
  readonly plans: readonly string[]
  readonly facts: unknown
  /** Everything known of each sample. */
  readonly statistics: unknown
}

/**
 * Trains one run with two ranks, whatever happens to the sampler: `train` may be called again with another one and goes on. It knows only what it was answered: what
 * was acknowledged is not sent again, and what was not is.
 */
export class PersistentTrainer {
  readonly #plans = new Map<string, string>()
  /** Reports acknowledged, by life, epoch and rank. */
  readonly #acknowledged = new Map<string, number>()
  #generation = 1
  #epoch = 0
  #isCreated = false
  #isRewinding = false
  /** Reports that were recorded although nobody was told so. */
  duplicates = 0

  async train(registry: RunRegistry): Promise<TrainingOutcome> {
    if (!this.#isCreated) await registry.create(RUN_ID, spec)
    this.#isCreated = true
    while (this.#epoch < EPOCHS) {
      if (this.#isRewinding) await this.#rewind(registry)
      await this.#trainEpoch(registry)
      this.#isRewinding = this.#epoch === REWINDS[this.#generation - 1]?.after
      if (!this.#isRewinding) this.#epoch++
    }
    const { generation, progress, isFinished, nextEpoch } = await registry.finish(RUN_ID, this.#generation)
    const reading = await registry.statistics(RUN_ID)
    const statistics = [...reading.chunks(7)].map((chunk) => structuredClone(chunk))
    reading.release()
    return { plans: [...this.#plans.values()], facts: { generation, progress, isFinished, nextEpoch }, statistics }
  }

  async #trainEpoch(registry: RunRegistry): Promise<void> {
    const epoch = this.#epoch
    const owner = await registry.owner(RUN_ID)
    const generation = this.#generation
    const plans = await Promise.all(
      ranks.map((rank) => {
        const lastSequence = this.#last(epoch - 1, rank)
        const request = { generation, epoch, rank, worldSize: WORLD_SIZE, lastSequence, startPosition: 0 }
        return owner.planEpoch(request, Number.POSITIVE_INFINITY, new AbortController().signal)
      }),
    )
    const [plan] = plans as [Plan]
    this.#keep(plan)
    const positions = positionCount(plan.keptCount, plan.sharding)
    // All at once, in the order of each rank's sequences: many are on their way when something happens.
    const sent = ranks.flatMap((rank) => {
      const batches = Array.from({ length: Math.ceil(positions / BATCH) }, (_, place) => place)
      return batches.slice(this.#last(epoch, rank)).map(async (place) => {
        const end = Math.min(BATCH * (place + 1), positions)
        const indices = rankPositions(plan.order, rank, plan.sharding, BATCH * place, end)
        const losses = Float32Array.from(indices, (index) => lossOf(index, epoch))
        const values = losses.map((loss) => (loss > 2 ? Number.NaN : -loss))
        const report = { generation, epoch, rank, sequence: place + 1, indices, losses }
        const { duplicate } = await owner.report({
          ...report,
          metrics: metrics.slice(place % 2).map((name) => ({ name, values })),
        })
        if (duplicate) this.duplicates++
        this.#acknowledged.set(this.#key(epoch, rank), place + 1)
      })
    })
    await Promise.allSettled(sent)
    await Promise.all(sent)
  }

  /** A plan that was answered once is the same ever after. */
  #keep(plan: Plan): void {
    const key = `${this.#generation}/${plan.epoch}`
    const order = `${plan.reason} ${plan.order.join(' ')}`
    const known = this.#plans.get(key)
    if (known !== undefined && known !== order)
      throw new Error(`the plan of epoch ${plan.epoch} is ${order}; it was ${known}`)
    this.#plans.set(key, order)
  }

  async #rewind(registry: RunRegistry): Promise<void> {
    const to = REWINDS[this.#generation - 1]?.to as number
    const { generation } = await registry.rewind(RUN_ID, to, this.#generation)
    // What was reported in the epoch before the one that is trained again is the same in both lives.
    const before = ranks.map((rank) => this.#last(to - 1, rank))
    this.#generation = generation
    this.#epoch = to
    this.#isRewinding = false
    for (const rank of ranks) this.#acknowledged.set(this.#key(to - 1, rank), before[rank] as number)
  }

  #last(epoch: number, rank: number): number {
    return this.#acknowledged.get(this.#key(epoch, rank)) ?? 0
  }

  #key(epoch: number, rank: number): string {
    return `${this.#generation}/${epoch}/${rank}`
  }
}

/** Whether a call was refused because the sampler cannot record anything for now. */
export const isUnavailable = (error: unknown) => error instanceof RunError && error.reason === 'STORE_UNAVAILABLE'
